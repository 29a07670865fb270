import type { DatabaseSync } from 'node:sqlite';
import type { Timers } from '../io/io.ts';
import type { OwnerPurpose } from './owner-record.ts';
import type { StoreCondition } from './store.ts';

/** What a store needs to open and run, on whichever thread. */
export interface CoreOptions {
  /** Absent: the store lives in memory, in `memory` when that is given. */
  readonly directory?: string;
  readonly memory?: DatabaseSync;
  readonly newStoreId: string;
  readonly purpose: OwnerPurpose;
  readonly socketPath: string | undefined;
  readonly bootId: string | undefined;
  readonly synchronous: 'FULL' | 'NORMAL';
  readonly reserveBytes: number | undefined;
  readonly lowWaterBytes: number | undefined;
  readonly timers: Timers;
  nowMs(): number;
  wallNowMs(): number;
  onCondition(condition: StoreCondition): void;
}
