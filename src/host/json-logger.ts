import { pino } from 'pino';
import { pinoLogger } from '../endpoint/pino-logger.ts';
import type { Logger } from '../io/logger.ts';

/** A logger for machines: JSON lines on standard output, written before the call returns. */
export function jsonLogger(): Logger {
  return pinoLogger(
    pino({ base: { pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ sync: true })),
  );
}
