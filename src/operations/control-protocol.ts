import { PosthornError } from '../message/posthorn-error.ts';
import { OperationFailed } from './errors.ts';
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

export interface WireError {
  readonly code: string;
  readonly name: string;
  readonly message: string;
  readonly mend: string;
}

/** An error of the queue manager's process, as thrown in this one: same code, same text. */
export class RemoteError extends PosthornError {
  readonly code: string;

  constructor(error: WireError) {
    super(error.message, '');
    this.code = error.code;
    this.name = error.name;
    Object.defineProperty(this, 'mend', { value: error.mend, enumerable: true });
  }
}

export function encodeError(operation: string, error: unknown): WireError {
  const known = error instanceof PosthornError ? error : new OperationFailed(operation, error);
  return { code: known.code, name: known.name, message: known.message, mend: known.mend };
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
  return [parts.code, parts.name, parts.message, parts.mend].every((part) => typeof part === 'string');
}
