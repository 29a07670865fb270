import { Header } from '../../../src/message/headers.ts';
import { QueueManager } from '../../../src/queues/queue-manager.ts';
import type { QueuePlaceKind } from '../../../src/store/store.ts';
import { type Cargo, QUEUES } from './workload.ts';

/** A message as it was found at the end. */
export interface Found {
  readonly id: string;
  /** Why it is a dead letter, or what its acknowledgement tells. */
  readonly reason: string | undefined;
  readonly isPossibleDuplicate: boolean;
}

/** All messages of one machine by place, in their order there: `done`, `later@beta (delayed)`, `orders@beta (journal)`. */
export type MachineContents = ReadonlyMap<string, readonly Found[]>;

export async function readContents(directory: string): Promise<MachineContents> {
  const manager = await QueueManager.open({ directory });
  try {
    const contents = new Map<string, Found[]>();
    for (const { queue } of [...manager.status(), ...manager.outgoingStatus()]) {
      for (const kind of ['queue', 'delayed', 'journal'] as const) {
        const found = await readPlace(manager, queue, kind);
        if (found.length > 0) contents.set(kind === 'queue' ? queue : `${queue} (${kind})`, found);
      }
    }
    return contents;
  } finally {
    await manager.close();
  }
}

/** Messages from the other machine that were moved into `done` so far. */
export async function countDone(directory: string): Promise<number> {
  const manager = await QueueManager.open({ directory });
  try {
    return manager.status().find(({ queue }) => queue === QUEUES.done)?.messages ?? 0;
  } finally {
    await manager.close();
  }
}

async function readPlace(manager: QueueManager, queue: string, kind: QueuePlaceKind): Promise<Found[]> {
  const found: Found[] = [];
  let afterPosition: number | undefined;
  for (let isLast = false; !isLast; ) {
    const after = afterPosition === undefined ? {} : { afterPosition };
    const page = await manager.browse({ queue, kind, countMax: 1000, withBodies: true, ...after });
    for (const { headers = {}, body } of page.messages) {
      const { id = headers[Header.correlationId] } = JSON.parse(Buffer.from(body ?? []).toString()) as Partial<Cargo>;
      found.push({
        id: id ?? `${headers[Header.messageId]}`,
        reason: headers[Header.deadLetterReason] ?? headers[Header.acknowledgement],
        isPossibleDuplicate: headers[Header.possibleDuplicate] !== undefined,
      });
    }
    afterPosition = page.lastPosition ?? afterPosition;
    isLast = page.isLast;
  }
  return found;
}
