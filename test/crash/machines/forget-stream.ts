import { QueueManager } from '../../../src/queues/queue-manager.ts';
import { INCOMING_STREAM_PREFIX } from '../../../src/transfer/streams/stream-rows.ts';

/**
 * Takes from the store of a receiver what it knows of the streams to one of its queues, as if it had gone back to before
 * they began; the messages stay. What was sent and not acknowledged may then come twice, marked.
 */
export async function forgetStream(directory: string, queue: string): Promise<void> {
  const manager = await QueueManager.open({ directory });
  try {
    const work = manager.begin();
    const { entries } = await manager.readState({ prefix: INCOMING_STREAM_PREFIX, countMax: ROWS_MAX });
    for (const { key } of entries) if (key.includes(`/${queue}/`)) manager.setState(work, key, undefined);
    await work.commit();
  } finally {
    await manager.close();
  }
}

const ROWS_MAX = 1_000;
