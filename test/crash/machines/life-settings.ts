import type { Kind, Machine } from './workload.ts';

/** What a life of a machine is told when it begins. */
export interface LifeSettings {
  readonly machine: Machine;
  readonly directory: string;
  readonly ledger: string;
  /** Begins at 1. */
  readonly life: number;
  /** Where it listens; the same in all lives. */
  readonly place: { readonly address: string; readonly port: number };
  /** Where the other machine listens. */
  readonly peer: string;
  readonly kinds: readonly Kind[];
  /** Sends nothing, and repairs what failed. */
  readonly isLast: boolean;
}
