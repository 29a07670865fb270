import { rewrittenState } from '../store/rewritten-state.ts';
import type { Operation, Store } from '../store/store.ts';
import { OPERATOR_ACTIONS_KEPT } from './limits.ts';
import {
  ABORT_ROW_PREFIX,
  type AbortRowRecord,
  COORDINATOR_KEY,
  type CoordinatorRecord,
  FENCE_PREFIX,
  type FenceRecord,
  OPERATOR_ACTION_PREFIX,
  type OperatorActionRecord,
} from './transaction-record.ts';

/**
 * What the coordinator keeps in the store besides the records of transactions, mirrored in memory: its own entry, abort
 * rows, fences, and what operators did. Read once; memory follows the disk, never the other way round.
 */
export class CoordinatorRecords {
  readonly abortRows = new Map<string, AbortRowRecord>();
  readonly fences = new Map<string, FenceRecord>();
  coordinator: CoordinatorRecord | undefined;
  readonly #store: Store;
  readonly #actions: { readonly key: string; readonly action: OperatorActionRecord }[] = [];
  #reading: Promise<void> | undefined;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Tried again by the next call when it fails. */
  read(): Promise<void> {
    this.#reading ??= this.#read().catch((error: unknown) => {
      this.#reading = undefined;
      throw error;
    });
    return this.#reading;
  }

  /** What operators acted on, each once. */
  touchedIds(): readonly string[] {
    return [...new Set(this.#actions.map(({ action }) => action.transaction))];
  }

  actionsOn(transaction: string): readonly OperatorActionRecord[] {
    return this.#actions.map(({ action }) => action).filter((action) => action.transaction === transaction);
  }

  async writeCoordinator(coordinator: CoordinatorRecord): Promise<void> {
    await this.#write(rewrittenState(COORDINATOR_KEY, JSON.stringify(coordinator)));
    this.coordinator = coordinator;
  }

  async writeFence(fence: FenceRecord): Promise<void> {
    await this.#write(rewrittenState(FENCE_PREFIX + fence.resource, JSON.stringify(fence)));
    this.fences.set(fence.resource, fence);
  }

  async deleteFence(resource: string): Promise<void> {
    await this.#write([{ kind: 'deleteState', key: FENCE_PREFIX + resource }]);
    this.fences.delete(resource);
  }

  async deleteAbortRow(id: string): Promise<void> {
    await this.#write([{ kind: 'deleteState', key: ABORT_ROW_PREFIX + id }]);
    this.abortRows.delete(id);
  }

  async addAction(action: OperatorActionRecord): Promise<void> {
    const lastKey = this.#actions.at(-1)?.key ?? OPERATOR_ACTION_PREFIX;
    const number = Number(lastKey.slice(OPERATOR_ACTION_PREFIX.length)) + 1;
    const key = OPERATOR_ACTION_PREFIX + String(number).padStart(ACTION_DIGITS, '0');
    const tooMany = this.#actions.slice(0, Math.max(0, this.#actions.length + 1 - OPERATOR_ACTIONS_KEPT));
    await this.#write([
      ...rewrittenState(key, JSON.stringify(action)),
      ...tooMany.map((old): Operation => ({ kind: 'deleteState', key: old.key })),
    ]);
    this.#actions.splice(0, tooMany.length);
    this.#actions.push({ key, action });
  }

  #write(operations: readonly Operation[]): Promise<void> {
    return this.#store.commit({ operations });
  }

  async #read(): Promise<void> {
    const own = await this.#entries(COORDINATOR_KEY);
    const text = own.find(({ key }) => key === COORDINATOR_KEY)?.value;
    this.coordinator = text === undefined ? undefined : (JSON.parse(text) as CoordinatorRecord);
    for (const { value } of await this.#entries(ABORT_ROW_PREFIX)) {
      const row = JSON.parse(value) as AbortRowRecord;
      this.abortRows.set(row.id, row);
    }
    for (const { value } of await this.#entries(FENCE_PREFIX)) {
      const fence = JSON.parse(value) as FenceRecord;
      this.fences.set(fence.resource, fence);
    }
    this.#actions.length = 0;
    for (const { key, value } of await this.#entries(OPERATOR_ACTION_PREFIX)) {
      this.#actions.push({ key, action: JSON.parse(value) as OperatorActionRecord });
    }
  }

  async #entries(prefix: string): Promise<readonly { readonly key: string; readonly value: string }[]> {
    const entries: { readonly key: string; readonly value: string }[] = [];
    for (let isLast = false; !isLast; ) {
      const afterKey = entries.at(-1)?.key;
      const page = await this.#store.readState({ prefix, countMax: PAGE, ...(afterKey !== undefined && { afterKey }) });
      entries.push(...page.entries);
      isLast = page.isLast;
    }
    return entries;
  }
}

const PAGE = 256;
const ACTION_DIGITS = 12;
