/**
 * The seam between queueing and durable storage. One owner per directory; SQLite behind it today (DESIGN decision 1).
 *
 * Words. A *place* holds messages in ascending *position*: the waiting messages of a queue, its delayed ones, its journal
 * are three places; sends that nobody may see yet are in one of their own. A position is a number below 2^48: priority in the top 3 bits (inverted, so that 7 sorts first),
 * below it the *sequence*, given by the queue manager in commit order and never used twice in the life of the directory.
 *
 * Obligations (the conformance suite tests them by number, on the worker and on the calling thread):
 * S1  `commit` resolves only after a sync that started after the unit was handed over has succeeded.
 * S2  A unit is there wholly or not at all, whatever dies. One that contradicts what is stored (removes a message that is
 *     not there, uses a position twice, names an unknown place) is refused whole with UNIT_CONTRADICTS_STORE.
 * S3  Units take effect in the order in which `commit` was called; what is there after a crash is a prefix of that order.
 * S4  Reads see committed units only, and every unit whose `commit` has resolved.
 * S5  A read's result is delivered before the answer of any unit that was not yet in it.
 * S6  A failed sync answers nobody until the store was closed, reopened and checkpointed; then each waiting unit is
 *     answered by what is there: resolved, or rejected with STORE_SYNC_FAILED (it is not there and may be tried again).
 *     Where that cannot be found out, OUTCOME_UNKNOWN, and the store is `failed` from then on; units that it had not begun
 *     are refused with STORE_FAILED: they are not there.
 * S7  A full disk rejects units that grow the store with STORE_FULL; units that only shrink it still commit.
 * S8  A message whose bytes no longer match its checksum is returned with `damaged: true`, alone.
 * S9  Memory on the way is bounded (`admission`); no call into SQLite holds the worker longer than 20 ms.
 */
export interface Store {
  /** What was found at open. */
  readonly opened: StoreOpened;

  /** Hands a unit over; resolves or rejects as S1, S6 and S7 say. An empty unit resolves after what was handed over before it. */
  commit(unit: Unit): Promise<void>;

  /**
   * Undefined while there is room on the way to the disk; else a promise that resolves when there is room again.
   * Producers wait for it before they build a unit; units that finish received messages never wait.
   */
  admission(): Promise<void> | undefined;

  /** Messages of one place in order. */
  readMessages(range: MessageRange): Promise<MessagePage>;
  /**
   * Messages whose deadline is at or before `upToMs`, earliest first, at most `countMax`, at least one when there is one (a
   * long list ends early by time); without their bodies.
   */
  readDue(upToMs: number, countMax: number): Promise<readonly StoredMessage[]>;
  /** The earliest deadline after `afterMs`, or undefined when no message has one. */
  nextDeadline(afterMs: number): Promise<number | undefined>;
  /** Key-value state whose key begins with `prefix`, in key order, after key `after`. */
  readState(range: StateRange): Promise<StatePage>;

  /** Changes of condition: `ready` → `full` → `ready`, `recovering` → `ready` | `failed`. See StoreCondition. */
  onCondition(listener: (condition: StoreCondition) => void): void;
  readonly condition: StoreCondition;

  /** Waits for all units on the way, writes a checkpoint and releases the owner lock. May be called twice. */
  close(): Promise<void>;
}

/**
 * `ready`: all well. `full`: only units that shrink the store are taken; leaves by itself when space returned.
 * `recovering`: a sync failed; the store is being reopened, answers wait, memory of what is on disk must be read again
 * when it leaves. `failed`: reopening failed too; nothing is taken any more, reads may still work.
 */
export type StoreCondition =
  | { readonly state: 'ready' }
  | { readonly state: 'full'; readonly freeBytes: number }
  | { readonly state: 'recovering'; readonly cause: Error }
  | { readonly state: 'failed'; readonly cause: Error };

export interface StoreOpened {
  /** 128-bit identity of this directory's content, a UUID, made when the directory was. */
  readonly storeId: string;
  /** False when the previous owner ended without `close`. */
  readonly wasClosedCleanly: boolean;
  /** Sequences below this were given out before; the first to use. */
  readonly nextSequence: number;
  readonly places: readonly PlaceState[];
  /** Milliseconds that the open took, for the log. */
  readonly openMs: number;
}

/** The parts of a queue: what waits in it, what is delayed, and its journal. */
export type QueuePlaceKind = 'queue' | 'delayed' | 'journal';
/** `held`: one place, of no queue, for sends whose transaction waits for a database. */
export type PlaceKind = QueuePlaceKind | 'held';

export interface PlaceState {
  /** 1 to 32,767. */
  readonly place: number;
  readonly kind: PlaceKind;
  /** Name of the queue that the place belongs to; empty for held sends. */
  readonly queue: string;
  /** Messages and bytes (headers and body) in it, kept in the same unit as its messages. */
  readonly messageCount: number;
  readonly byteCount: number;
}

/** What commits together. Operations take effect in order. */
export interface Unit {
  readonly operations: readonly Operation[];
  /**
   * Its caller has others under way and expects their units: it may share the sync of the next one. By itself it is written
   * within a few milliseconds.
   */
  readonly canWait?: boolean;
}

export type Operation =
  | {
      readonly kind: 'put';
      readonly place: number;
      readonly position: number;
      readonly message: EncodedMessage;
      /** In steady time (queues/steady-clock.ts): when a delayed message is due, when a waiting one expires. */
      readonly deadlineMs?: number;
    }
  | {
      readonly kind: 'remove';
      readonly place: number;
      readonly position: number;
      /** Size of its headers and body, when the caller has read them; spares the store a look. */
      readonly byteCount?: number;
    }
  | {
      /** Keeps headers and body; gives a new place, position and deadline. */
      readonly kind: 'move';
      readonly place: number;
      readonly position: number;
      readonly toPlace: number;
      readonly toPosition: number;
      readonly deadlineMs?: number;
    }
  | { readonly kind: 'createPlace'; readonly place: number; readonly placeKind: PlaceKind; readonly queue: string }
  /** Key-value state: keys are ASCII and begin with their owner's prefix (`attempts/`, `operation/`, `subscription/`). */
  | { readonly kind: 'setState'; readonly key: string; readonly value: string }
  | { readonly kind: 'deleteState'; readonly key: string }
  /** Adds to a durable counter: an integer held as state under that key, absent meaning 0. */
  | { readonly kind: 'addToCounter'; readonly key: string; readonly amount: number };

/**
 * A message as stored: headers as JSON text in UTF-8, the body as it is. The store computes the checksum over both when
 * it takes the unit over. The arrays are copied by `commit` before it returns.
 */
export interface EncodedMessage {
  readonly headers: string | Uint8Array;
  readonly body: Uint8Array;
}

export interface StoredMessage {
  readonly place: number;
  readonly position: number;
  readonly deadlineMs: number | undefined;
  /** UTF-8 JSON, not parsed and not trusted. */
  readonly headers: Uint8Array;
  /** Absent when the read asked for none; then `damaged` was not checked. */
  readonly body: Uint8Array | undefined;
  readonly bodyBytes: number;
  /** True when the bytes do not match the checksum: they are handed over as they are on disk. */
  readonly damaged: boolean;
}

export interface MessageRange {
  readonly place: number;
  /** Exclusive. */
  readonly afterPosition?: number;
  /** Inclusive. */
  readonly upToPosition?: number;
  readonly countMax: number;
  /** The page ends before the message that would pass this, or by time; but it holds at least one. */
  readonly bytesMax: number;
  readonly withBodies: boolean;
}

export interface MessagePage {
  readonly messages: readonly StoredMessage[];
  /** True when the place had no more in the range. */
  readonly isLast: boolean;
}

export interface StateRange {
  readonly prefix: string;
  readonly afterKey?: string;
  readonly countMax: number;
}

export interface StatePage {
  readonly entries: readonly { readonly key: string; readonly value: string }[];
  readonly isLast: boolean;
}

/** Sequence bits of a position; above them 3 bits of inverted priority. */
export const POSITION_SEQUENCE_BITS = 45;

export function positionOf(priority: number, sequence: number): number {
  return (7 - priority) * 2 ** POSITION_SEQUENCE_BITS + sequence;
}

export function sequenceOf(position: number): number {
  return position % 2 ** POSITION_SEQUENCE_BITS;
}

export function priorityOf(position: number): number {
  return 7 - Math.floor(position / 2 ** POSITION_SEQUENCE_BITS);
}
