import assert from 'node:assert/strict';
import { nodeIo } from '../../src/io/node-io.ts';
import { connectOperations } from '../../src/operations/connect.ts';
import type { IncomingDescription, OutgoingDescription, QueueDescription } from '../../src/operations/operations.ts';

/** What the operator of a directory sees of its outgoing queue, asked for until it is as wanted. */
export async function shownOutgoing(
  directory: string,
  queue: string,
  isWanted: (shown: OutgoingDescription) => boolean,
): Promise<OutgoingDescription> {
  return untilShown(directory, isWanted, async ({ operations }) => {
    const { outgoing } = await operations.describeOutgoing({});
    return outgoing.find((shown) => shown.queue === queue);
  });
}

/** What the operator of a directory sees of the receiving side, asked for until it is as wanted. */
export async function shownIncoming(
  directory: string,
  isWanted: (shown: IncomingDescription) => boolean = () => true,
): Promise<IncomingDescription> {
  return untilShown(directory, isWanted, ({ operations }) => operations.describeIncoming());
}

/** What the operator of a directory sees of one of its own queues. */
export function shownQueue(directory: string, queue: string): Promise<QueueDescription> {
  return untilShown(
    directory,
    () => true,
    async ({ operations }) => {
      const { queues } = await operations.describeQueues({});
      return queues.find((shown) => shown.queue === queue);
    },
  );
}

async function untilShown<Shown>(
  directory: string,
  isWanted: (shown: Shown) => boolean,
  look: (connection: ReturnType<typeof connectOperations>) => Promise<Shown | undefined>,
): Promise<Shown> {
  const { timers } = nodeIo();
  const connection = connectOperations({ directory, io: nodeIo() });
  try {
    for (let looks = 0; looks < LOOKS_MAX; looks++) {
      const shown = await look(connection);
      if (shown !== undefined && isWanted(shown)) return shown;
      if (looks === LOOKS_MAX - 1) assert.fail(`what is shown stays other than wanted: ${JSON.stringify(shown)}`);
      await new Promise<void>((resolve) => timers.after(LOOK_EVERY_MS, resolve, { keepsProcessAlive: true }));
    }
    assert.fail('nothing is shown');
  } finally {
    await connection.close();
  }
}

const LOOK_EVERY_MS = 50;
const LOOKS_MAX = 600;
