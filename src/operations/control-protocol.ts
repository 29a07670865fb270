import { PosthornError } from '../message/posthorn-error.ts';
import type { WireError } from './errors.ts';
import type { OperationName } from './operations.ts';

/**
 * What is said on the control socket. The client asks with ids of its own choice; answers come in any order.
 *
 * The first request of a connection may be `attach`, by which a sender in another process names itself, so that its older
 * connections are given up before this one is served.
 */
export interface ControlRequest {
  readonly id: number;
  readonly operation: OperationName | 'attach';
  readonly request: unknown;
}

export type ControlAnswer =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: WireError };

export interface AttachRequest {
  readonly sender: string;
}

/** What crosses the socket of an error; `operation` is what was asked for. */
export function encodeError(operation: string, error: unknown): WireError {
  if (error instanceof PosthornError) {
    const { code, name, message, mend } = error;
    return { code, name, what: message.endsWith(` ${mend}`) ? message.slice(0, -mend.length - 1) : message, mend };
  }
  const text = error instanceof Error ? error.message : String(error);
  return {
    code: undefined,
    name: 'RemoteError',
    what: `'${operation}' failed: ${text}.`,
    mend: "See the queue manager's log.",
  };
}

/** The request in a frame; undefined when the frame holds something else. */
export function readRequest(
  value: unknown,
): { readonly id: number; readonly operation: string; readonly request: unknown } | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { id, operation, request } = value as Partial<Record<string, unknown>>;
  return typeof id === 'number' && typeof operation === 'string' ? { id, operation, request } : undefined;
}

/** The answer in a frame; undefined when the frame holds something else. */
export function readAnswer(value: unknown): ControlAnswer | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { id, result, error } = value as Partial<Record<string, unknown>>;
  if (typeof id !== 'number') return undefined;
  if (error === undefined) return { id, result };
  return isWireError(error) ? { id, error } : undefined;
}

function isWireError(value: unknown): value is WireError {
  if (typeof value !== 'object' || value === null) return false;
  const parts = value as Partial<Record<keyof WireError, unknown>>;
  const isCode = parts.code === undefined || typeof parts.code === 'string';
  return isCode && [parts.name, parts.what, parts.mend].every((part) => typeof part === 'string');
}
