import type { Operation } from './store.ts';

/**
 * Sets a key, taking its old value's place: the store counts that as shrinking, so that a full disk does not keep a queue
 * manager from opening, or its transactions from being settled.
 */
export function rewrittenState(key: string, value: string): Operation[] {
  return [
    { kind: 'deleteState', key },
    { kind: 'setState', key, value },
  ];
}
