import type { TransferDoor } from '../../queues/transfer-door.ts';
import { INCOMING_STREAM_PREFIX, type IncomingRow } from './stream-rows.ts';

/**
 * Looks at the other epochs of a stream when one of them attaches: marks those as retired that live no more, and forgets
 * those that were retired long ago, or too many. Retired ones are kept for a while, so that a sender whose store went
 * back in time is found out by them.
 *
 * When one of them lives here and the sender does not know it, the sender's store went back in time: then `about.row` is
 * marked so, in the same unit, and every later attach of it is answered so. Resolves with the row as it is now.
 */
export async function tidyFormerEpochs(door: TransferDoor, about: EpochQuestion): Promise<IncomingRow | undefined> {
  const prefix = `${INCOMING_STREAM_PREFIX}${about.storeId}/${about.queue}/`;
  const { entries } = await door.readState({ prefix, countMax: EPOCHS_READ_MAX });
  const nowMs = door.nowMs();
  let hasUnknown = false;
  const changes = new Map<string, string | undefined>();
  const retired: { key: string; retiredMs: number }[] = [];
  for (const { key, value } of entries) {
    const epoch = key.slice(prefix.length);
    if (epoch === about.epoch) continue;
    const row = JSON.parse(value) as IncomingRow;
    if (row.retiredMs !== undefined) {
      retired.push({ key, retiredMs: row.retiredMs });
      continue;
    }
    if (!about.formerEpochs.includes(epoch)) hasUnknown = true;
    changes.set(key, JSON.stringify({ ...row, retiredMs: nowMs }));
  }
  retired.sort((left, right) => right.retiredMs - left.retiredMs);
  for (const [index, { key, retiredMs }] of retired.entries()) {
    if (index >= RETIRED_EPOCHS_MAX || isForgettable(retiredMs, nowMs)) changes.set(key, undefined);
  }
  let { row } = about;
  if (hasUnknown) {
    const fresh: IncomingRow = { last: 0, digest: '', refused: [], machine: about.machine, usedMs: nowMs };
    row = { ...(row ?? fresh), wentBack: true, retiredMs: nowMs };
    changes.set(prefix + about.epoch, JSON.stringify(row));
  }
  if (changes.size > 0) await write(door, changes);
  return row;
}

export interface EpochQuestion {
  readonly storeId: string;
  readonly queue: string;
  readonly epoch: string;
  readonly formerEpochs: readonly string[];
  /** Of `epoch`. */
  readonly row: IncomingRow | undefined;
  readonly machine: string;
}

/** Goes through all rows once, when the queue manager opens: forgets what is long retired, tells who has sent here. */
export async function readSenders(door: TransferDoor): Promise<Set<string>> {
  const machines = new Set<string>();
  const nowMs = door.nowMs();
  for (let afterKey: string | undefined, isLast = false; !isLast; ) {
    const range = { prefix: INCOMING_STREAM_PREFIX, countMax: ROWS_PAGE, ...(afterKey !== undefined && { afterKey }) };
    const page = await door.readState(range);
    const forgotten = new Map<string, undefined>();
    for (const { key, value } of page.entries) {
      const row = JSON.parse(value) as IncomingRow;
      if (row.retiredMs !== undefined && isForgettable(row.retiredMs, nowMs)) forgotten.set(key, undefined);
      else machines.add(row.machine);
    }
    if (forgotten.size > 0) await write(door, forgotten);
    afterKey = page.entries.at(-1)?.key ?? afterKey;
    isLast = page.isLast;
  }
  return machines;
}

/** Steady time can stand still, but not run back. */
function isForgettable(retiredMs: number, nowMs: number): boolean {
  return nowMs - retiredMs >= RETIRED_KEPT_MS;
}

/** Old values are deleted before the new ones are set: so it is taken on a full disk too. */
async function write(door: TransferDoor, changes: ReadonlyMap<string, string | undefined>): Promise<void> {
  const work = door.begin();
  for (const [key, value] of changes) {
    door.setState(work, key, undefined);
    if (value !== undefined) door.setState(work, key, value);
  }
  await work.commit();
}

const RETIRED_KEPT_MS = 30 * 24 * 60 * 60 * 1000;
/** Kept of one stream, the latest; a copied directory could make a new epoch at each attach. */
const RETIRED_EPOCHS_MAX = 32;
const EPOCHS_READ_MAX = 64;
const ROWS_PAGE = 256;
