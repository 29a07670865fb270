import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { UnitContradictsStore } from './errors.ts';
import { sqliteFailure } from './sqlite-failure.ts';
import { type PlaceKind, sequenceOf } from './store.ts';
import type { StoredOperation } from './unit-codec.ts';

/**
 * Writes the operations of units into the open transaction and sums up what they change.
 *
 * The counts of places are not written per unit: `Changes` gathers them and `writeChanges` writes one row per touched
 * place for the whole group.
 *
 * A unit that contradicts what is stored (takes away a message that is not there, puts two on one position, names an
 * unknown place) throws `UnitContradictsStore`: applying the rest of it could handle a message twice.
 */
export class UnitWriter {
  readonly #insert: StatementSync;
  readonly #sizeOf: StatementSync;
  readonly #delete: StatementSync;
  readonly #move: StatementSync;
  readonly #createPlace: StatementSync;
  readonly #createTally: StatementSync;
  readonly #addToTally: StatementSync;
  readonly #setState: StatementSync;
  readonly #deleteState: StatementSync;
  readonly #addToCounter: StatementSync;
  /** Places that exist, those of the open transaction included. */
  readonly #places: Set<number>;

  constructor(database: DatabaseSync, places: Iterable<number>) {
    this.#places = new Set(places);
    this.#insert = database.prepare('INSERT INTO message VALUES((? << 48) | ?, ?, ?, ?, ?)');
    // Asking for the size first is a third faster than DELETE … RETURNING (measured: 2.0 against 3.0 µs).
    this.#sizeOf = database.prepare('SELECT length(headers) + length(body) FROM message WHERE id = ((? << 48) | ?)');
    this.#sizeOf.setReturnArrays(true);
    this.#delete = database.prepare('DELETE FROM message WHERE id = ((? << 48) | ?)');
    this.#move = database.prepare('UPDATE message SET id = ((? << 48) | ?), deadline = ? WHERE id = ((? << 48) | ?)');
    this.#createPlace = database.prepare('INSERT INTO place(place, kind, queue) VALUES(?, ?, ?)');
    this.#createTally = database.prepare('INSERT INTO tally VALUES(?, 0, 0)');
    this.#addToTally = database.prepare('UPDATE tally SET first = first + ?, second = second + ? WHERE place = ?');
    this.#setState = database.prepare(
      'INSERT INTO state VALUES(?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value',
    );
    this.#deleteState = database.prepare('DELETE FROM state WHERE key = ?');
    this.#addToCounter = database.prepare(
      `INSERT INTO state VALUES(?, CAST(CAST(? AS INTEGER) AS TEXT))
       ON CONFLICT(key) DO UPDATE SET value = CAST(CAST(value AS INTEGER) + CAST(? AS INTEGER) AS TEXT)`,
    );
  }

  apply(operations: readonly StoredOperation[], changes: Changes): void {
    for (const operation of operations) {
      switch (operation.kind) {
        case 'put':
          this.#put(operation, changes);
          break;
        case 'remove':
          this.#remove(operation, changes);
          break;
        case 'move': {
          const { place, position, toPlace, toPosition } = operation;
          const bytes = this.#bytesAt(place, position);
          this.#demandPlace(toPlace);
          atFreePosition(toPlace, toPosition, () =>
            this.#move.run(toPlace, toPosition, operation.deadlineMs ?? null, place, position),
          );
          changes.count(place, -1, -bytes);
          changes.count(toPlace, 1, bytes);
          changes.use(toPosition);
          changes.removalCount++;
          break;
        }
        case 'createPlace':
          this.#addPlace(operation.place, operation.placeKind, operation.queue, changes);
          break;
        case 'setState':
          this.#setState.run(operation.key, operation.value);
          changes.stateBytes += operation.key.length + operation.value.length;
          changes.stateCount++;
          break;
        case 'deleteState':
          this.#deleteState.run(operation.key);
          changes.removalCount++;
          break;
        case 'addToCounter':
          this.#addToCounter.run(operation.key, operation.amount, operation.amount);
          changes.stateCount++;
          break;
        default:
          operation satisfies never;
      }
    }
  }

  /** Writes the gathered counts, once per group. */
  writeChanges(changes: Changes): void {
    for (const [place, { messages, bytes }] of changes.places) {
      if (messages !== 0 || bytes !== 0) this.#addToTally.run(messages, bytes, place);
    }
  }

  /** The transaction, or the part of it that `changes` gathered, was rolled back. */
  forget(changes: Changes): void {
    for (const place of changes.createdPlaces) this.#places.delete(place);
  }

  #put(operation: StoredOperation & { kind: 'put' }, changes: Changes): void {
    const { place, position, content, headerBytes } = operation;
    this.#demandPlace(place);
    const headers = content.subarray(0, headerBytes);
    const body = content.subarray(headerBytes);
    atFreePosition(place, position, () =>
      this.#insert.run(place, position, operation.deadlineMs ?? null, crc32(content), headers, body),
    );
    changes.count(place, 1, content.byteLength);
    changes.use(position);
    changes.putCount++;
  }

  #remove(operation: StoredOperation & { kind: 'remove' }, changes: Changes): void {
    const { place, position, byteCount = Number.NaN } = operation;
    const bytes = Number.isNaN(byteCount) ? this.#bytesAt(place, position) : byteCount;
    if (this.#delete.run(place, position).changes !== 1) throw absent(place, position);
    changes.count(place, -1, -bytes);
    changes.removalCount++;
  }

  #addPlace(place: number, kind: PlaceKind, queue: string, changes: Changes): void {
    if (this.#places.has(place)) throw new UnitContradictsStore(`place ${place} exists`);
    this.#createPlace.run(place, kind, queue);
    this.#createTally.run(place);
    this.#places.add(place);
    changes.createdPlaces.push(place);
  }

  #demandPlace(place: number): void {
    if (!this.#places.has(place)) throw new UnitContradictsStore(`there is no place ${place}`);
  }

  #bytesAt(place: number, position: number): number {
    const row = this.#sizeOf.get(place, position) as unknown as readonly unknown[] | undefined;
    if (row === undefined) throw absent(place, position);
    // A damaged record may have no length; its neighbours' counts are right all the same.
    return typeof row[0] === 'number' ? row[0] : 0;
  }
}

/** What units of one transaction change, apart from the rows themselves. */
export class Changes {
  readonly places = new Map<number, { messages: number; bytes: number }>();
  readonly createdPlaces: number[] = [];
  sequenceMax = 0;
  putCount = 0;
  removalCount = 0;
  stateCount = 0;
  stateBytes = 0;

  count(place: number, messages: number, bytes: number): void {
    const counts = this.places.get(place);
    if (counts === undefined) {
      this.places.set(place, { messages, bytes });
    } else {
      counts.messages += messages;
      counts.bytes += bytes;
    }
  }

  use(position: number): void {
    const sequence = sequenceOf(position);
    if (sequence > this.sequenceMax) this.sequenceMax = sequence;
  }

  add(other: Changes): void {
    for (const [place, { messages, bytes }] of other.places) this.count(place, messages, bytes);
    this.createdPlaces.push(...other.createdPlaces);
    this.sequenceMax = Math.max(this.sequenceMax, other.sequenceMax);
  }

  /**
   * True when the store is not larger afterwards: nothing is put, or less than is removed; state is only set beside a
   * removal. These units are taken while the disk is full.
   */
  get shrinks(): boolean {
    if (this.createdPlaces.length > 0) return false;
    if (this.putCount === 0) return this.stateCount === 0 || this.removalCount > 0;
    let netBytes = this.stateBytes;
    for (const { bytes } of this.places.values()) netBytes += bytes;
    return netBytes < 0;
  }
}

function absent(place: number, position: number): UnitContradictsStore {
  return new UnitContradictsStore(`place ${place} has no message at position ${position}`);
}

function atFreePosition(place: number, position: number, write: () => unknown): void {
  try {
    write();
  } catch (error) {
    if (sqliteFailure(error) !== 'constraint') throw error;
    throw new UnitContradictsStore(`position ${position} of place ${place} is taken`);
  }
}
