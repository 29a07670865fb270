import { InvariantBroken } from '../message/posthorn-error.ts';

/**
 * The states of a transaction over queues and databases, from its first branch to its end.
 *
 *     active ─▶ ending ─┬─nothing written──────▶ committing ─▶ committed
 *                       ├─one database wrote───▶ staging ─▶ staged ─┬─yes──▶ applying ──▶ committed
 *                       │                                  │   ▲     ├─no───▶ discarding ▶ rolledBack
 *                       │                                  │   └─────┴─?────▶ inDoubt ─▶ applying, discarding
 *                       └─several wrote────────▶ preparing ─▶ deciding ─▶ decided ─▶ releasing ─▶ committed
 *                                                                           └─▶ heuristic ─▶ releasing (by an operator)
 *     aborting ─▶ rolledBack     from active, ending, staging, preparing, deciding and committing: before any decision
 *     unknown                    the store's answer to the unit of that state was lost, or it has stopped
 *
 * What is there after a restart begins at `inDoubt` (record `staged`) or `decided`.
 *
 * Invariants
 * - No way leads from staged, decided or later to aborting: after the first unit only a proven no ends in rolledBack.
 * - A timeout acts before `staging` and `deciding` only; after the decision none applies.
 */
export class StateOfTransaction {
  #current: TransactionState;

  constructor(start: 'active' | 'inDoubt' | 'decided') {
    this.#current = start;
  }

  get current(): TransactionState {
    return this.#current;
  }

  /** The store has no answer: only the next open can conclude anything. */
  get isUnknown(): boolean {
    return this.#current === 'unknown';
  }

  get hasCommitted(): boolean {
    return this.#current === 'committed';
  }

  /** The one mover. A move that is not in the table is a defect, and stops here. */
  move(to: TransactionState): void {
    // Each message moves seven times: the text is made when it is needed.
    if (!canMove(this.#current, to)) {
      throw new InvariantBroken(`a transaction does not go from ${this.#current} to ${to}`);
    }
    this.#current = to;
  }
}

export type TransactionState =
  | 'active'
  | 'ending'
  | 'committing'
  | 'staging'
  | 'staged'
  | 'inDoubt'
  | 'applying'
  | 'discarding'
  | 'preparing'
  | 'deciding'
  | 'decided'
  | 'heuristic'
  | 'releasing'
  | 'aborting'
  | 'committed'
  | 'rolledBack'
  | 'unknown';

export const MOVES: Readonly<Record<TransactionState, readonly TransactionState[]>> = {
  active: ['ending', 'aborting'],
  ending: ['committing', 'staging', 'preparing', 'aborting'],
  committing: ['committed', 'aborting', 'unknown'],
  staging: ['staged', 'aborting', 'unknown'],
  staged: ['inDoubt', 'applying', 'discarding'],
  inDoubt: ['applying', 'discarding'],
  applying: ['committed', 'unknown'],
  discarding: ['rolledBack', 'unknown'],
  preparing: ['deciding', 'aborting'],
  deciding: ['decided', 'aborting', 'unknown'],
  decided: ['heuristic', 'releasing'],
  heuristic: ['releasing'],
  releasing: ['committed', 'unknown'],
  aborting: ['rolledBack'],
  committed: [],
  rolledBack: [],
  unknown: [],
};

export function canMove(from: TransactionState, to: TransactionState): boolean {
  return MOVES[from].includes(to);
}
