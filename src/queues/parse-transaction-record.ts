import { TRANSACTION_PREFIX, type TransactionRecord } from '../transactions/transaction-record.ts';

/**
 * The record under a state key; undefined when it is not whole: damaged, or written by a Posthorn that we do not understand.
 * Whatever a record does not need to be finished is taken as it is.
 */
export function parseTransactionRecord(key: string, value: string): TransactionRecord | undefined {
  let record: unknown;
  try {
    record = JSON.parse(value);
  } catch {
    return undefined;
  }
  return isObject(record) && isRecord(record) && key === TRANSACTION_PREFIX + record.id ? record : undefined;
}

type Fields = Readonly<Record<string, unknown>>;

function isRecord(record: Fields): record is Fields & TransactionRecord {
  return (
    typeof record.id === 'string' &&
    (record.protocol === 'marker' || record.protocol === 'twoPhase') &&
    (record.state === 'staged' || record.state === 'decided') &&
    typeof record.endpoint === 'string' &&
    Number.isFinite(record.startedMs) &&
    Number.isFinite(record.writtenMs) &&
    isListOf(record.parts, isPart) &&
    isListOf(record.sends, isHeldSend) &&
    isListOf(record.branches, isBranch)
  );
}

function isPart(part: Fields): boolean {
  if (part.kind === 'input') return isName(part.queue) && isPosition(part.position);
  return part.kind === 'state' && isName(part.key) && isOptional(part.value, 'string');
}

function isHeldSend(send: Fields): boolean {
  return (
    isPosition(send.position) &&
    isName(send.queue) &&
    isWithin(send.priority, 7) &&
    typeof send.isDelayed === 'boolean' &&
    isOptional(send.deadlineMs, 'number') &&
    isWithin(send.byteCount, Number.MAX_SAFE_INTEGER)
  );
}

function isBranch(branch: Fields): boolean {
  return isName(branch.resource) && isName(branch.qualifier) && typeof branch.session === 'string';
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}

function isListOf(value: unknown, isOne: (fields: Fields) => boolean): boolean {
  return Array.isArray(value) && value.every((one) => isObject(one) && isOne(one));
}

function isName(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

function isOptional(value: unknown, type: 'string' | 'number'): boolean {
  return value === undefined || typeof value === type;
}

function isPosition(value: unknown): boolean {
  return isWithin(value, 2 ** 48 - 1);
}

function isWithin(value: unknown, max: number): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= max;
}
