import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import type {
  MessagePage,
  MessageRange,
  PlaceKind,
  PlaceState,
  StatePage,
  StateRange,
  StoredMessage,
} from './store.ts';

/**
 * Reads of committed rows, each a bounded page: it ends by count, bytes or time, whichever comes first, so that commits
 * never wait long behind a read. Nothing is trusted: a row whose bytes are not what was written is handed over as
 * damaged, alone.
 */
export class PageReader {
  readonly #messages: StatementSync;
  readonly #headers: StatementSync;
  readonly #due: StatementSync;
  readonly #nextDeadline: StatementSync;
  readonly #state: StatementSync;
  readonly #places: StatementSync;
  readonly #nowMs: () => number;

  constructor(database: DatabaseSync, nowMs: () => number) {
    this.#nowMs = nowMs;
    const prepare = (sql: string): StatementSync => {
      const statement = database.prepare(sql);
      statement.setReturnArrays(true);
      return statement;
    };
    const inRange = 'WHERE id >= ((? << 48) | ?) AND id <= ((? << 48) | ?) ORDER BY id LIMIT ?';
    const key = `id >> 48, id & ${POSITION_MASK}, deadline`;
    this.#messages = prepare(`SELECT ${key}, headers, length(body), checksum, body FROM message ${inRange}`);
    this.#headers = prepare(`SELECT ${key}, headers, length(body) FROM message ${inRange}`);
    this.#due = prepare(
      `SELECT ${key}, headers, length(body) FROM message WHERE deadline <= ? ORDER BY deadline, id LIMIT ?`,
    );
    this.#nextDeadline = prepare('SELECT min(deadline) FROM message WHERE deadline > ?');
    this.#state = prepare('SELECT key, value FROM state WHERE key > ? AND key >= ? AND key < ? ORDER BY key LIMIT ?');
    this.#places = prepare(
      'SELECT place, kind, queue, first, second FROM place JOIN tally USING (place) ORDER BY place',
    );
  }

  readMessages(range: MessageRange): MessagePage {
    const messages: StoredMessage[] = [];
    const from = Math.max(0, (range.afterPosition ?? -1) + 1);
    const upTo = range.upToPosition ?? POSITION_MASK;
    // One more than asked for tells whether the page is the last.
    const statement = range.withBodies ? this.#messages : this.#headers;
    const endMs = this.#nowMs() + PAGE_MS_MAX;
    let bytes = 0;
    for (const row of rowsOf(statement.iterate(range.place, from, range.place, upTo, range.countMax + 1))) {
      const message = messageOf(row, range.withBodies);
      bytes += message.headers.byteLength + (range.withBodies ? message.bodyBytes : 0);
      const isOver =
        messages.length === range.countMax || bytes > range.bytesMax || this.#isLate(messages.length, bytes, endMs);
      if (isOver && messages.length > 0) return { messages, isLast: false };
      messages.push(message);
    }
    return { messages, isLast: true };
  }

  readDue(upToMs: number, countMax: number): readonly StoredMessage[] {
    const messages: StoredMessage[] = [];
    const endMs = this.#nowMs() + PAGE_MS_MAX;
    for (const row of rowsOf(this.#due.iterate(upToMs, countMax))) {
      messages.push(messageOf(row, false));
      if (this.#isLate(messages.length, 0, endMs)) break;
    }
    return messages;
  }

  nextDeadline(afterMs: number): number | undefined {
    const row = this.#nextDeadline.get(afterMs) as unknown as Row | undefined;
    return typeof row?.[0] === 'number' ? row[0] : undefined;
  }

  readState(range: StateRange): StatePage {
    const entries: { key: string; value: string }[] = [];
    const endMs = this.#nowMs() + PAGE_MS_MAX;
    const rows = this.#state.iterate(
      range.afterKey ?? '',
      range.prefix,
      `${range.prefix}${AFTER_ALL_KEYS}`,
      range.countMax + 1,
    );
    let bytes = 0;
    for (const [key, value] of rowsOf(rows)) {
      if (typeof key !== 'string' || typeof value !== 'string') continue;
      const isOver =
        entries.length === range.countMax || bytes > STATE_PAGE_BYTES_MAX || this.#isLate(entries.length, bytes, endMs);
      if (isOver && entries.length > 0) return { entries, isLast: false };
      bytes += value.length;
      entries.push({ key, value });
    }
    return { entries, isLast: true };
  }

  /** Small pages are not cut: on a busy machine the time may have passed without us. */
  #isLate(count: number, bytes: number, endMs: number): boolean {
    return (count >= UNTIMED_COUNT || bytes >= UNTIMED_BYTES) && this.#nowMs() > endMs;
  }

  readPlaces(): PlaceState[] {
    const places: PlaceState[] = [];
    for (const [place, kind, queue, messageCount, byteCount] of rowsOf(this.#places.iterate())) {
      places.push({
        place: place as number,
        kind: kind as PlaceKind,
        queue: queue as string,
        messageCount: messageCount as number,
        byteCount: byteCount as number,
      });
    }
    return places;
  }
}

type Row = readonly unknown[];

/** `setReturnArrays` changes what the iterator gives, and the types of node:sqlite do not know it. */
function rowsOf(iterator: Iterable<unknown>): Iterable<Row> {
  return iterator as Iterable<Row>;
}

function messageOf(row: Row, withBody: boolean): StoredMessage {
  const [place, position, deadline, headers, bodyBytes, checksum, body] = row;
  const storedHeaders = headers instanceof Uint8Array ? headers : NO_BYTES;
  const storedBody = body instanceof Uint8Array ? body : NO_BYTES;
  return {
    place: place as number,
    position: position as number,
    deadlineMs: typeof deadline === 'number' ? deadline : undefined,
    headers: storedHeaders,
    body: withBody ? storedBody : undefined,
    bodyBytes: typeof bodyBytes === 'number' ? bodyBytes : 0,
    damaged: withBody && checksum !== crc32(storedBody, crc32(storedHeaders)),
  };
}

const NO_BYTES = new Uint8Array(0);
const POSITION_MASK = 2 ** 48 - 1;
/** Keys are ASCII, so this sorts after all of them. */
const AFTER_ALL_KEYS = '\u{10ffff}';
const PAGE_MS_MAX = 1;
const UNTIMED_COUNT = 32;
const UNTIMED_BYTES = 256 * 1024;
const STATE_PAGE_BYTES_MAX = 1024 * 1024;
