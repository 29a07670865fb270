import { parseAddress } from '../message/address.ts';
import { DURATION_MS_MAX } from '../message/limits.ts';
import { isPosthornError } from '../message/posthorn-error.ts';
import { UsageError } from './errors.ts';

/** `90s`, `15m`, `1h`, `2d`, `250ms`, or a plain number of seconds, in milliseconds. */
export function parseDuration(option: string, text: string): number {
  const parts = /^(\d+(?:\.\d+)?)(ms|s|m|min|h|d)?$/.exec(text);
  if (parts === null)
    throw new UsageError(
      `${option} '${text}' is not a time span.`,
      "Write a number with its unit: '30s', '15m', '1h', '2d'; a bare number is seconds.",
    );
  const spanMs = Number(parts[1]) * (UNIT_MS[parts[2] ?? 's'] ?? 1000);
  if (spanMs > DURATION_MS_MAX)
    throw new UsageError(`${option} '${text}' is too long.`, 'Give at most a hundred years.');
  return spanMs;
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** A whole number from `min` to `max`. */
export function parseWhole(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > max) {
    throw new UsageError(`${option} '${text}' cannot be used.`, `Give a whole number from ${min} to ${max}.`);
  }
  return value;
}

/** A number above 0, as of messages per second. */
export function parseRate(option: string, text: string): number {
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || !(value > 0)) {
    throw new UsageError(
      `${option} '${text}' is not a number of messages per second.`,
      "Give one above 0: '10', '0.5'.",
    );
  }
  return value;
}

/** `1801`, `10.0.0.5:1801`, `[::1]:1801`. */
export function parseListen(text: string): { readonly port: number; readonly address?: string } {
  const [, bracketed, plain, port] = /^(?:(?:\[([^\]]+)\]|([^:[\]]+)):)?(\d+)$/.exec(text) ?? [];
  if (port === undefined) {
    throw new UsageError(`--listen '${text}' is not a port.`, "Write '1801', or '10.0.0.5:1801' for one address.");
  }
  const address = bracketed ?? plain;
  return { port: parseWhole('--listen', port, 0, 65_535), ...(address !== undefined && { address }) };
}

/** The name of a machine, `beta`; a path or an address with a queue is none. */
export function checkMachineName(machine: string): void {
  try {
    parseAddress(`queue@${machine}`);
  } catch (error) {
    if (!isPosthornError(error, 'INVALID_ADDRESS')) throw error;
    throw new UsageError(
      `'${machine}' is not the name of a machine.`,
      "It has letters, digits, '.' and '-', begins with a letter or digit, and has at most 63 characters.",
    );
  }
}
