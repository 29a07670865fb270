import { nodeIo } from '../../../src/io/node-io.ts';
import { PosthornError } from '../../../src/message/posthorn-error.ts';
import { QueueManager } from '../../../src/queues/queue-manager.ts';
import type { Store } from '../../../src/store/store.ts';
import { openStore } from '../../../src/store/worker-store.ts';
import { PLACES, put, readAll } from '../store-fixture.ts';
import { orderSyncs } from '../sync-faults.ts';

/* Plays one scenario on the store `directory` with syncs that are slow or fail, and writes what it saw as JSON. */

const [directory = '', scenario = '', synchronous] = process.argv.slice(2);
const open = (): Promise<Store> =>
  openStore({ directory, io: nodeIo(), synchronous: synchronous === 'NORMAL' ? 'NORMAL' : 'FULL' });
/** One turn of the event loop. */
const turn = (): Promise<void> => new Promise((resolve) => nodeIo().timers.soon(resolve));
let store = await open();
await store.commit({ operations: PLACES });
const conditions: string[] = [];
store.onCondition(({ state }) => conditions.push(state));

const scenarios: Record<string, () => Promise<unknown>> = {
  acknowledge,
  failOnce,
  failAlways,
  failEach,
  stall,
  stagedInput,
};
const result = await scenarios[scenario]?.();
console.log(JSON.stringify({ ...(result as object), conditions }));
await store.close();

/** 40 producers, each at its own pace: when was a unit handed over, when was it answered? */
async function acknowledge(): Promise<unknown> {
  orderSyncs({ delayMs: 20 });
  const answers: { handedOverNs: string; answeredNs: string }[] = [];
  const produce = async (producer: number): Promise<void> => {
    for (let round = 0; round < 8; round++) {
      for (let pause = 0; pause < producer * 3; pause++) await turn();
      const handedOverNs = String(process.hrtime.bigint());
      await store.commit({ operations: [put(1, producer * 1000 + round, 'x')] });
      answers.push({ handedOverNs, answeredNs: String(process.hrtime.bigint()) });
    }
  };
  await Promise.all(Array.from({ length: 40 }, (_, producer) => produce(producer)));
  orderSyncs({});
  return { answers };
}

async function failOnce(): Promise<unknown> {
  const outcomes = await commitRange(0, 10);
  orderSyncs({ failures: 1 });
  outcomes.push(...(await commitRange(10, 30)));
  outcomes.push(...(await commitRange(30, 40)));
  return { outcomes, positions: await positions(), condition: store.condition.state };
}

async function failAlways(): Promise<unknown> {
  const outcomes = await commitRange(0, 10);
  orderSyncs({ failures: 'all' });
  outcomes.push(...(await commitRange(10, 30)));
  outcomes.push(...(await commitRange(30, 40)));
  return { outcomes, positions: await positions(), condition: store.condition.state };
}

/**
 * Opens, works, lets housekeeping copy the log, and closes, again and again; the n-th time the n-th sync fails, until a
 * time comes in which none did.
 */
async function failEach(): Promise<unknown> {
  const outcomes: string[] = [];
  let failedOpenings = 0;
  await store.close();
  for (let sync = 0; ; sync++) {
    orderSyncs({ successesFirst: sync, failures: 1 });
    const from = outcomes.length;
    try {
      store = await open();
      let sawFailure = false;
      store.onCondition(() => {
        sawFailure = true;
      });
      for (let group = 0; group < 3; group++) {
        outcomes.push(...(await commitRange(outcomes.length, outcomes.length + 5, 400_000)));
      }
      await store.close().catch(failedAsKnown);
      const isOver = !sawFailure && !outcomes.slice(from).includes('STORE_SYNC_FAILED');
      orderSyncs({});
      store = await open();
      if (isOver && sync > 20) return { outcomes, positions: await positions(), syncs: sync, failedOpenings };
      await store.close();
    } catch (error) {
      failedAsKnown(error);
      failedOpenings++;
    }
  }
}

/** An opening or closing whose sync failed says so. */
function failedAsKnown(error: unknown): void {
  if (!(error instanceof PosthornError && ['STORE_UNREACHABLE', 'STORE_FAILED'].includes(error.code))) throw error;
}

/** A queue manager finds a staged input, and then a sync fails once: what do a receiver and a purge get after that? */
async function stagedInput(): Promise<unknown> {
  await store.close();
  const record = {
    id: 'P1.staged',
    protocol: 'marker',
    state: 'staged',
    endpoint: 'sales',
    startedMs: 1,
    writtenMs: 1,
    parts: [{ kind: 'input', queue: 'orders', position: 1 }],
    sends: [],
    branches: [],
  };
  store = await open();
  const value = JSON.stringify(record);
  const state = { kind: 'setState', key: `transaction/${record.id}`, value } as const;
  await store.commit({ operations: [put(1, 1, 'staged'), put(1, 2, 'free'), put(1, 3, 'free too'), state] });
  await store.close();
  const failures: string[] = [];
  const manager = await QueueManager.open({
    directory,
    machine: 'alpha',
    onFailure: (error) => failures.push(codeOf(error)),
    openStore: async () => {
      store = await open();
      return store;
    },
  });
  const receiver = await manager.openReceiver('orders');
  const receive = async (): Promise<string | undefined> => {
    await receiver.peek();
    const delivery = receiver.receive();
    if (delivery === undefined) return undefined;
    const work = manager.begin();
    delivery.complete(work);
    await work.commit();
    return Buffer.from(delivery.body).toString();
  };
  const before = await receive();
  orderSyncs({ failures: 1 });
  const message = { destination: { queue: 'orders' }, headers: {}, body: Buffer.from('refused') };
  const refused = await manager.send([message]).then(() => 'stored', codeOf);
  const after = await receive();
  const purged = await receiver.purge();
  const left = (await manager.browse({ queue: 'orders', countMax: 10, withBodies: true })).messages.map(
    ({ body, isLocked }) => `${Buffer.from(body ?? []).toString()}${isLocked ? ', locked' : ''}`,
  );
  receiver.close();
  await manager.close();
  return { before, refused, after, purged, left, failures };
}

/** While one sync takes three seconds, how often does the event loop turn, and how long does it stand still at most? */
async function stall(): Promise<unknown> {
  orderSyncs({ delayMs: 3000 });
  const startedMs = performance.now();
  let answeredAfterMs = 0;
  const commit = store.commit({ operations: [put(1, 1, 'x')] }).then(() => {
    answeredAfterMs = performance.now() - startedMs;
  });
  let turns = 0;
  let longestMs = 0;
  let lastMs = startedMs;
  while (answeredAfterMs === 0) {
    await turn();
    turns++;
    longestMs = Math.max(longestMs, performance.now() - lastMs);
    lastMs = performance.now();
  }
  orderSyncs({});
  await commit;
  return { turns, longestMs, answeredAfterMs };
}

/** Hands over one unit per position at once; the code of each refusal, or 'stored'. */
async function commitRange(from: number, to: number, bodyBytes = 1): Promise<string[]> {
  const commits = Array.from({ length: to - from }, (_, index) =>
    store.commit({ operations: [put(1, from + index, 'x'.repeat(bodyBytes))] }).then(() => 'stored', codeOf),
  );
  return Promise.all(commits);
}

function codeOf(error: unknown): string {
  return error instanceof PosthornError ? error.code : String(error);
}

async function positions(): Promise<number[]> {
  return (await readAll(store, 1)).map(({ position }) => position);
}
