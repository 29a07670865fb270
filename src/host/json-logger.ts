import { pino } from 'pino';
import { pinoLogger } from '../endpoint/pino-logger.ts';
import type { Logger } from '../io/logger.ts';

/**
 * A logger for machines: JSON lines on standard output, written before the call returns.
 *
 * A log that cannot be written, as on a full disk, stops nobody's work: standard error says so once, and lines wait until
 * they can be written, up to a mebibyte of them; later ones are lost. Where nobody reads the log any more (EPIPE), it ends.
 */
export function jsonLogger(): Logger {
  const destination = pino.destination({ sync: true, maxLength: WAITING_BYTES_MAX });
  let isFailing = false;
  destination.on('error', (error: Error) => {
    if (!isFailing) process.stderr.write(`posthorn: The log cannot be written: ${error.message}. The host works on.\n`);
    isFailing = true;
  });
  destination.on('write', () => {
    isFailing = false;
  });
  return pinoLogger(pino({ base: { pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime }, destination));
}

const WAITING_BYTES_MAX = 1024 * 1024;
