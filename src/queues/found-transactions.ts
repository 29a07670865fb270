import type { Store, StoredMessage } from '../store/store.ts';
import { TRANSACTION_PREFIX, type TransactionRecord } from '../transactions/transaction-record.ts';
import { HeldSendsWithoutRecord, TransactionPartMissing, TransactionRecordUnreadable } from './errors.ts';
import { parseTransactionRecord } from './parse-transaction-record.ts';

/** What processes before this one left of transactions that take databases along. */
export interface FoundTransactions {
  /** In the order of their ids. */
  readonly records: readonly TransactionRecord[];
  /** Inputs of `staged` records, without bodies. */
  readonly inputs: readonly FoundInput[];
  /** Positions of held sends that are there. */
  readonly heldPositions: ReadonlySet<number>;
}

export interface FoundInput {
  readonly transaction: string;
  readonly queue: string;
  readonly message: StoredMessage;
}

/**
 * Reads the records under `transaction/` and what they name.
 *
 * Nothing here keeps a queue manager from opening, and nothing is deleted. What cannot be right is told, and then: a record
 * that cannot be read stays as it is, its sends stay held, and its input cannot be locked; a message that a record names and
 * that is not there is left out, so that the rest of its transaction can be finished.
 */
export async function readFoundTransactions(
  store: Store,
  entries: readonly { readonly key: string; readonly value: string }[],
  report: (error: unknown) => void,
): Promise<FoundTransactions> {
  const records: TransactionRecord[] = [];
  for (const { key, value } of entries) {
    const record = parseTransactionRecord(key, value);
    if (record === undefined) report(new TransactionRecordUnreadable(key.slice(TRANSACTION_PREFIX.length)));
    else records.push(record);
  }
  const inputs = await readInputs(store, records, report);
  const heldPositions = await readHeldPositions(store);
  const named = new Set<number>();
  for (const { id, sends } of records) {
    for (const { position, queue } of sends) {
      named.add(position);
      if (!heldPositions.has(position)) report(new TransactionPartMissing(id, `its send to '${queue}'`));
    }
  }
  const orphanCount = [...heldPositions].filter((position) => !named.has(position)).length;
  if (orphanCount > 0) report(new HeldSendsWithoutRecord(orphanCount));
  return { records, inputs, heldPositions };
}

async function readInputs(
  store: Store,
  records: readonly TransactionRecord[],
  report: (error: unknown) => void,
): Promise<readonly FoundInput[]> {
  const inputs: FoundInput[] = [];
  for (const { id, state, parts } of records) {
    if (state !== 'staged') continue;
    for (const part of parts) {
      if (part.kind !== 'input') continue;
      const message = await readOne(store, part.queue, part.position);
      if (message !== undefined) inputs.push({ transaction: id, queue: part.queue, message });
      else report(new TransactionPartMissing(id, `the message that it received from '${part.queue}'`));
    }
  }
  return inputs;
}

async function readOne(store: Store, queue: string, position: number): Promise<StoredMessage | undefined> {
  const place = store.opened.places.find((found) => found.kind === 'queue' && found.queue === queue)?.place;
  if (place === undefined) return undefined;
  const exact = { place, upToPosition: position, ...(position > 0 && { afterPosition: position - 1 }) };
  const page = await store.readMessages({ ...exact, countMax: 1, bytesMax: 1, withBodies: false });
  return page.messages[0];
}

async function readHeldPositions(store: Store): Promise<ReadonlySet<number>> {
  const positions = new Set<number>();
  const place = store.opened.places.find(({ kind }) => kind === 'held');
  if (place === undefined || place.messageCount === 0) return positions;
  for (let afterPosition: number | undefined; ; ) {
    const page = await store.readMessages({
      place: place.place,
      countMax: HELD_PAGE_MESSAGES,
      bytesMax: HELD_PAGE_BYTES,
      withBodies: false,
      ...(afterPosition !== undefined && { afterPosition }),
    });
    for (const { position } of page.messages) positions.add(position);
    afterPosition = page.messages.at(-1)?.position;
    if (page.isLast) return positions;
  }
}

const HELD_PAGE_MESSAGES = 512;
const HELD_PAGE_BYTES = 2 * 1024 * 1024;
