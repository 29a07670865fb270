import type { LogFields, Logger } from './logger.ts';
import { nodeIo } from './node-io.ts';

/** Warnings and errors as one readable line each, on standard error: what a bare endpoint says when nobody gave it a logger. */
export function stderrLogger(fields: LogFields = {}): Logger {
  const line = (level: string, text: string, own: LogFields | undefined): void => {
    const time = new Date(nodeIo().clock.wallNowMs()).toISOString();
    const told = Object.entries({ ...fields, ...own }).filter(([, value]) => isTold(value));
    const pairs = told.map(([name, value]) => ` ${name}=${value}`).join('');
    process.stderr.write(`${printable(`${time} ${level} posthorn ${text}${pairs}`)}\n`);
  };
  return {
    debug: () => undefined,
    info: () => undefined,
    warn: (text, own) => line('warn ', text, own),
    error: (text, own) => line('error', text, own),
    child: (more) => stderrLogger({ ...fields, ...more }),
  };
}

/** Plain values; an error too, as its first line. */
function isTold(value: unknown): boolean {
  return value instanceof Error || ['string', 'number', 'boolean'].includes(typeof value);
}

/** Texts come from messages too: no line breaks, and nothing that a terminal would obey. */
function printable(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ');
}
