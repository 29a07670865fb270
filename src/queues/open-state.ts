import { failpoint } from '../io/failpoint.ts';
import type { Io } from '../io/io.ts';
import { rewrittenState } from '../store/rewritten-state.ts';
import type { Operation, Store } from '../store/store.ts';
import { TRANSACTION_PREFIX } from '../transactions/transaction-record.ts';
import { ATTEMPTS_PREFIX, type AttemptCounts, attemptsKey, parseAttempts } from './attempts.ts';
import { type FoundTransactions, readFoundTransactions } from './found-transactions.ts';
import { type InFlightMessage, readInFlight } from './in-flight-table.ts';
import { type Pins, readPins, SENT_UP_TO_PREFIX } from './pins.ts';
import type { QueueSettings } from './queue-status.ts';
import { type SavedClock, SteadyClock } from './steady-clock.ts';

/*
 * What a queue manager reads of the key-value state when it opens. Keys:
 *   clock                    SavedClock
 *   machine                  name of this machine, as last opened
 *   generation               how often the directory was opened; see InFlightTable
 *   settings/QUEUE           QueueSettings
 *   expired/QUEUE            counter of messages dropped after their time-to-be-received
 *   attempts/PLACE/POSITION  AttemptCounts
 *   sent-up-to/QUEUE@MACHINE position up to which messages of an outgoing queue may have been sent
 *   transaction/ID           TransactionRecord
 * Other owners: subscription/… (routing), operation/… (operators), sent/… (other processes that send),
 * coordinator, abort-row/…, fence/… and operator-action/… (the coordinator of transactions).
 */
export const CLOCK_KEY = 'clock';
const GENERATION_KEY = 'generation';
const MACHINE_KEY = 'machine';
export const SETTINGS_PREFIX = 'settings/';
export const EXPIRED_PREFIX = 'expired/';

export interface OpenState {
  /** Of this opening. */
  readonly generation: number;
  readonly machine: string;
  readonly clock: SavedClock;
  readonly settings: ReadonlyMap<string, QueueSettings>;
  readonly expired: ReadonlyMap<string, number>;
  readonly attempts: readonly { readonly place: number; readonly position: number; readonly counts: AttemptCounts }[];
  /** By outgoing queue: what may have been sent, and is locked before anybody sees the queue (G-T3). */
  readonly pins: ReadonlyMap<string, Pins>;
  /** Their inputs are locked before anybody sees a queue. */
  readonly transactions: FoundTransactions;
}

/**
 * Reads the state; adds one death to every message that the in-flight file names and that still waits (G-P6).
 *
 * The file belongs to one generation. Deaths are counted in the unit that begins the next, so a process that dies right
 * here counts nothing twice: the file it leaves is of a generation that was counted.
 */
export async function readOpenState(
  store: Store,
  inFlightFound: Uint8Array,
  options: OpenStateOptions,
): Promise<OpenState> {
  const clock = await readOne(store, CLOCK_KEY);
  const lastGeneration = Number((await readOne(store, GENERATION_KEY)) ?? 0);
  const left = readInFlight(inFlightFound);
  const operations = left.generation === lastGeneration ? await countDeaths(store, left.messages) : [];
  const generation = lastGeneration + 1;
  // Addresses in stored messages name this machine: a verb of the CLI, or a container with a new host name, keeps the name.
  const machine = options.machine ?? (await readOne(store, MACHINE_KEY)) ?? options.hostName;
  operations.push(...rewrittenState(GENERATION_KEY, String(generation)));
  operations.push(...rewrittenState(MACHINE_KEY, machine));
  // From the first unit on: a deadline without the clock it counts by would be read on whatever the wall clock says then.
  const saved = clock === undefined ? undefined : (JSON.parse(clock) as SavedClock);
  const steady = new SteadyClock(options.io.clock, saved).save();
  operations.push(...rewrittenState(CLOCK_KEY, JSON.stringify(steady)));
  failpoint('open.before-deaths-counted');
  await store.commit({ operations });
  failpoint('open.after-deaths-counted');
  const settings = await readAll(store, SETTINGS_PREFIX);
  const expired = await readAll(store, EXPIRED_PREFIX);
  const attempts = await readAll(store, ATTEMPTS_PREFIX);
  const pins = await readPins(store, await readAll(store, SENT_UP_TO_PREFIX));
  const transactions = await readFoundTransactions(store, await readAll(store, TRANSACTION_PREFIX), (error) =>
    options.onFailure(error, 'reading the records of transactions'),
  );
  return {
    generation,
    machine,
    clock: steady,
    settings: new Map(
      settings.map(({ key, value }) => [key.slice(SETTINGS_PREFIX.length), JSON.parse(value) as QueueSettings]),
    ),
    expired: new Map(expired.map(({ key, value }) => [key.slice(EXPIRED_PREFIX.length), Number(value)])),
    attempts: attempts.flatMap(({ key, value }) => parseAttempts(key, value) ?? []),
    pins,
    transactions,
  };
}

export interface OpenStateOptions {
  readonly machine: string | undefined;
  readonly hostName: string;
  readonly io: Io;
  /** Told of what cannot be right, and does not keep a queue manager from opening. */
  onFailure(error: unknown, doing: string): void;
}

async function countDeaths(store: Store, messages: readonly InFlightMessage[]): Promise<Operation[]> {
  const operations: Operation[] = [];
  for (const { place, position } of messages) {
    const exact = { place, upToPosition: position, ...(position > 0 && { afterPosition: position - 1 }) };
    const page = await store.readMessages({ ...exact, countMax: 1, bytesMax: 1, withBodies: false });
    if (page.messages.length === 0) continue;
    const key = attemptsKey(place, position);
    const known = await readOne(store, key);
    const counts = known === undefined ? undefined : parseAttempts(key, known)?.counts;
    const value = JSON.stringify({ failed: counts?.failed ?? 0, deaths: (counts?.deaths ?? 0) + 1 });
    operations.push(...rewrittenState(key, value));
  }
  return operations;
}

async function readOne(store: Store, key: string): Promise<string | undefined> {
  const page = await store.readState({ prefix: key, countMax: 1 });
  return page.entries.find((entry) => entry.key === key)?.value;
}

async function readAll(store: Store, prefix: string): Promise<{ key: string; value: string }[]> {
  const entries: { key: string; value: string }[] = [];
  for (;;) {
    const after = entries.at(-1)?.key;
    const page = await store.readState({
      prefix,
      countMax: STATE_PAGE,
      ...(after !== undefined && { afterKey: after }),
    });
    entries.push(...page.entries);
    if (page.isLast) return entries;
  }
}

const STATE_PAGE = 256;
