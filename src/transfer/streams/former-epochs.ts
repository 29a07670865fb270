import type { TransferDoor } from '../../queues/transfer-door.ts';
import { INCOMING_STREAM_PREFIX, type IncomingRow, incomingKey } from './stream-rows.ts';

/**
 * Looks at the other epochs of a stream when one of them attaches: marks those as retired that live no more, and forgets
 * those that were retired long ago, or too many.
 *
 * An epoch that the sender does not name was made by its store in a future that this sender does not know, or by a copy of
 * it: the sender's store went back in time. Then `about.row` is marked so, in the same unit, and every later attach of it
 * is answered so (answer-attach.ts). Once told, the sender begins an epoch that names the marked one; messages that had
 * come by then are no news to it any more. So two copies that send by turns tell each other apart for ever, and each
 * gets on.
 */
export async function tidyFormerEpochs(door: TransferDoor, about: EpochQuestion): Promise<TidyAnswer> {
  const others = await readOthers(door, about);
  const rows = [...others.map((other) => other.row), ...(about.row === undefined ? [] : [about.row])];
  // Later than all that was noted before, also where time stands still.
  const latestMs = Math.max(0, ...rows.map(({ usedMs, retiredMs }) => Math.max(usedMs, retiredMs ?? 0)));
  const stampMs = nextStampMs(door.nowMs(), latestMs);
  const isNamed = ({ epoch }: Epoch): boolean => about.formerEpochs.includes(epoch);
  const marked = others.filter((other) => isNamed(other) && other.row.wentBack === true);
  const toldMs = Math.max(0, ...marked.map(({ row }) => row.retiredMs ?? 0));
  const changes = new Map<string, string | undefined>();
  for (const { key, row } of others) {
    if (row.retiredMs === undefined) changes.set(key, JSON.stringify({ ...row, retiredMs: stampMs }));
  }
  for (const key of forgettable(others, door.nowMs())) changes.set(key, undefined);
  let { row } = about;
  if (others.some((other) => !isNamed(other) && other.row.usedMs > toldMs)) {
    const fresh: IncomingRow = { last: 0, digest: '', refused: [], machine: about.machine, usedMs: 0 };
    row = { ...(row ?? fresh), wentBack: true, retiredMs: stampMs };
    changes.set(incomingKey(about.storeId, about.queue, about.epoch), JSON.stringify(row));
  }
  if (changes.size > 0) await write(door, changes);
  return { row, stampMs };
}

export interface TidyAnswer {
  readonly row: IncomingRow | undefined;
  /** Steady time, later than any in the rows of this stream. */
  readonly stampMs: number;
}

/** Steady time, and always later than the stamp before. */
export function nextStampMs(nowMs: number, formerMs: number): number {
  return Math.max(nowMs, formerMs + STAMP_STEP_MS);
}

async function readOthers(door: TransferDoor, about: EpochQuestion): Promise<readonly Epoch[]> {
  const prefix = incomingKey(about.storeId, about.queue, '');
  const { entries } = await door.readState({ prefix, countMax: EPOCHS_READ_MAX });
  const epochs = entries.map(({ key, value }) => {
    return { key, epoch: key.slice(prefix.length), row: JSON.parse(value) as IncomingRow };
  });
  return epochs.filter(({ epoch }) => epoch !== about.epoch);
}

interface Epoch {
  readonly key: string;
  readonly epoch: string;
  readonly row: IncomingRow;
}

function forgettable(epochs: readonly Epoch[], nowMs: number): readonly string[] {
  const retired = epochs.flatMap(({ key, row }) =>
    row.retiredMs === undefined ? [] : [{ key, retiredMs: row.retiredMs }],
  );
  retired.sort((left, right) => right.retiredMs - left.retiredMs);
  return retired
    .filter(({ retiredMs }, index) => index >= RETIRED_EPOCHS_MAX || isForgettable(retiredMs, nowMs))
    .map(({ key }) => key);
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

const STAMP_STEP_MS = 0.001;
const RETIRED_KEPT_MS = 30 * 24 * 60 * 60 * 1000;
/** Kept of one stream, the latest; a copied directory could make a new epoch at each attach. */
const RETIRED_EPOCHS_MAX = 32;
const EPOCHS_READ_MAX = 64;
const ROWS_PAGE = 256;
