import { styleText } from 'node:util';
import type { Io } from '../io/io.ts';
import type { LogFields, Logger } from '../io/logger.ts';

/** A logger for people: time, level, text; under errors their stack without Posthorn's own frames. */
export function consoleLogger(io: Io, fields: LogFields = {}): Logger {
  const write = (level: Level, text: string, more: LogFields = {}): void => {
    const time = new Date(io.clock.wallNowMs()).toISOString().slice(11, 23);
    const name = styleText(STYLES[level], level.padEnd(5), { stream: process.stdout });
    process.stdout.write(`${time} ${name} ${text}${errorText({ ...fields, ...more }.error)}\n`);
  };
  return {
    debug: () => undefined,
    info: (text, more) => write('info', text, more),
    warn: (text, more) => write('warn', text, more),
    error: (text, more) => write('error', text, more),
    child: (more) => consoleLogger(io, { ...fields, ...more }),
  };
}

type Level = 'info' | 'warn' | 'error';

const STYLES = { info: 'green', warn: 'yellow', error: 'red' } as const;

function errorText(error: unknown): string {
  if (error === undefined) return '';
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const lines = text.split('\n').filter((line) => !line.includes(OWN_CODE));
  return `\n  ${lines.join('\n  ')}`;
}

/** `src/` of a checkout, `dist/` of a package. */
const OWN_CODE = new URL('..', import.meta.url).pathname;
