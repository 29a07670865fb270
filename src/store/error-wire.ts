import { InvariantBroken } from '../message/posthorn-error.ts';
import {
  NewerStore,
  NotAStore,
  OutcomeUnknown,
  StoreClosed,
  StoreDamaged,
  StoreError,
  type StoreErrorValue,
  StoreFailed,
  StoreFull,
  StoreOwned,
  StoreReadFailed,
  StoreSyncFailed,
  StoreUnreachable,
  UnitContradictsStore,
} from './errors.ts';

/**
 * Errors on the way between threads. A structured clone would keep the text and lose the class, so an error of the store
 * travels as its code and values. Any other is a defect and travels as its stack.
 */
export type WireError = { readonly code: string; readonly values: readonly StoreErrorValue[] };

export function toWire(error: unknown): WireError {
  if (error instanceof StoreError) return { code: error.code, values: error.values };
  return { code: DEFECT, values: [error instanceof Error ? (error.stack ?? error.message) : String(error)] };
}

export function fromWire(wire: WireError): Error {
  const make = MAKERS[wire.code];
  if (make !== undefined) return make(wire.values as never);
  return new InvariantBroken(`the store meets only failures that it knows, not ${String(wire.values[0])}`);
}

const DEFECT = '';

/** `values` come from the constructor of the same class, so each maker takes what it gave. */
const MAKERS: Readonly<Record<string, (values: never) => StoreError>> = {
  STORE_FULL: (values: StoreFull['values']) => new StoreFull(...values),
  STORE_SYNC_FAILED: (values: StoreSyncFailed['values']) => new StoreSyncFailed(...values),
  OUTCOME_UNKNOWN: (values: OutcomeUnknown['values']) => new OutcomeUnknown(...values),
  UNIT_CONTRADICTS_STORE: (values: UnitContradictsStore['values']) => new UnitContradictsStore(...values),
  STORE_FAILED: (values: StoreFailed['values']) => new StoreFailed(...values),
  STORE_READ_FAILED: (values: StoreReadFailed['values']) => new StoreReadFailed(...values),
  STORE_CLOSED: () => new StoreClosed(),
  STORE_OWNED: (values: StoreOwned['values']) => new StoreOwned(...values),
  NOT_A_STORE: (values: NotAStore['values']) => new NotAStore(...values),
  NEWER_STORE: (values: NewerStore['values']) => new NewerStore(...values),
  STORE_DAMAGED: (values: StoreDamaged['values']) => new StoreDamaged(...values),
  STORE_UNREACHABLE: (values: StoreUnreachable['values']) => new StoreUnreachable(...values),
};
