import type { Logger } from '../../src/io/logger.ts';

/** Keeps the texts of its lines, of every level. */
export function keepingLogger(lines: string[]): Logger {
  const keep = (text: string): void => void lines.push(text);
  const logger: Logger = { debug: keep, info: keep, warn: keep, error: keep, child: () => logger };
  return logger;
}
