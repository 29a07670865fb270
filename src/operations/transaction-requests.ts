import { InvalidOption } from '../message/errors.ts';
import type { OperatorWish, TransactionViewState, ViewRequest } from '../transactions/transaction-view.ts';
import { InvalidRequest } from './errors.ts';
import { OPERATOR_REASON_LENGTH_MAX, TRANSACTION_NAME_LENGTH_MAX } from './limits.ts';

/** What a request to list transactions asks for. @throws {InvalidRequest} {InvalidOption} */
export function readTransactionsRequest(request: ViewRequest): ViewRequest {
  const { state } = request;
  if (state !== undefined && !TRANSACTION_STATES.some((known) => known === state)) {
    throw new InvalidRequest(`a transaction has no state ${shortened(state)}`);
  }
  const afterId = readName('afterId', request.afterId);
  const resource = readName('resource', request.resource);
  const endpoint = readName('endpoint', request.endpoint);
  return { afterId, state, resource, endpoint };
}

/** The id that a request names. @throws {InvalidRequest} {InvalidOption} */
export function readTransactionId(request: { readonly id: string }): string {
  const id = readName('id', request.id);
  if (id === undefined || id === '') throw new InvalidRequest('it names no transaction');
  return id;
}

/** @throws {InvalidRequest} {InvalidOption} */
export function readWish(wish: OperatorWish): OperatorWish {
  const { action, reason, by } = wish;
  if (!ACTIONS.some((known) => known === action)) {
    throw new InvalidRequest(`nothing that can be done to a transaction is called ${shortened(action)}`);
  }
  if (typeof reason !== 'string') throw new InvalidRequest('it gives no reason');
  if (reason.length > OPERATOR_REASON_LENGTH_MAX) {
    throw tooLong('reason', reason, OPERATOR_REASON_LENGTH_MAX);
  }
  if (typeof by !== 'string' || by === '' || by.length > TRANSACTION_NAME_LENGTH_MAX) {
    throw new InvalidRequest('it does not say by whom');
  }
  return { action, id: readTransactionId(wish), reason, by };
}

/** In the order in which an operator wants to know of them. */
export const TRANSACTION_STATES = [
  'heuristic',
  'fenced',
  'inDoubt',
  'committing',
  'aborting',
  'preparing',
  'active',
  'foreign',
] as const satisfies readonly TransactionViewState[];

const ACTIONS = ['commit', 'abort', 'forget', 'retry'] as const satisfies readonly OperatorWish['action'][];

function readName(what: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string') throw new InvalidRequest(`its ${what} is ${shortened(value)}`);
  if (value.length > TRANSACTION_NAME_LENGTH_MAX) {
    throw tooLong(what, value, TRANSACTION_NAME_LENGTH_MAX);
  }
  return value;
}

/** What a person gave, as opposed to a program of another version. */
function tooLong(what: string, value: string, lengthMax: number): InvalidOption {
  return new InvalidOption(what, `has ${value.length} characters`, `Give at most ${lengthMax}.`);
}

function shortened(value: unknown): string {
  return String(JSON.stringify(value)).slice(0, 80);
}
