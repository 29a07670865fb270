import type { WireError } from './error-wire.ts';
import type { OwnerPurpose } from './owner-record.ts';
import type { MessageRange, StateRange, StoreCondition, StoreOpened } from './store.ts';
import type { PackedUnits } from './unit-codec.ts';

/*
 * What the thread of the program and the store's worker say to each other. Both ways over one port, so that what is said
 * first arrives first (S5).
 */

export interface WorkerSettings {
  /** One Int32, counted up with everything that is sent to the worker, so that it may wait for that outside its event loop. */
  readonly bell: SharedArrayBuffer;
  readonly directory: string;
  readonly purpose: OwnerPurpose;
  readonly socketPath: string | undefined;
  readonly bootId: string | undefined;
  readonly newStoreId: string;
  readonly synchronous: 'FULL' | 'NORMAL';
  readonly reserveBytes: number | undefined;
  readonly lowWaterBytes: number | undefined;
}

export type ToWorker =
  | { readonly kind: 'open'; readonly settings: WorkerSettings }
  | { readonly kind: 'units'; readonly packed: PackedUnits }
  | { readonly kind: 'read'; readonly id: number; readonly request: ReadRequest }
  | { readonly kind: 'close' };

export type ReadRequest =
  | { readonly kind: 'messages'; readonly range: MessageRange }
  | { readonly kind: 'due'; readonly upToMs: number; readonly countMax: number }
  | { readonly kind: 'nextDeadline'; readonly afterMs: number }
  | { readonly kind: 'state'; readonly range: StateRange };

export type FromWorker =
  | { readonly kind: 'opened'; readonly opened: StoreOpened; readonly condition: WireCondition }
  | { readonly kind: 'notOpened'; readonly error: WireError }
  /** The next `unitCount` units, in the order of handing over, are answered: all resolved but the refused ones. */
  | {
      readonly kind: 'answered';
      readonly unitCount: number;
      readonly refusals: readonly { readonly index: number; readonly error: WireError }[] | undefined;
      /** How long the COMMIT of the group took. */
      readonly commitMs: number;
      /** Buffers of batches that this group finished, given back for reuse. */
      readonly buffers: readonly ArrayBuffer[];
    }
  | { readonly kind: 'readResult'; readonly id: number; readonly result: ReadResult }
  | { readonly kind: 'condition'; readonly condition: WireCondition }
  | { readonly kind: 'closed'; readonly error: WireError | undefined };

export type ReadResult =
  | { readonly kind: 'messages'; readonly buffer: ArrayBuffer; readonly count: number; readonly isLast: boolean }
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'failed'; readonly error: WireError };

export type WireCondition =
  | Extract<StoreCondition, { state: 'ready' | 'full' }>
  | { readonly state: 'recovering' | 'failed'; readonly cause: WireError };
