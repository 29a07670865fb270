import { openSync, writeSync } from 'node:fs';
import { nodeIo } from '../../../src/io/node-io.ts';
import type { Operation } from '../../../src/store/store.ts';
import { openStore } from '../../../src/store/worker-store.ts';
import { PLACES, put } from '../store-fixture.ts';

/*
 * Writes to the store `directory` with so many producers until it is killed. Unit n puts a pair of messages (2n and 2n+1) into
 * place 1, takes the pair of unit n-3 away into place 3, and counts. What was acknowledged goes at once
 * to the file beside the directory, which outlives the process; the output only tells that something happened.
 */

const [directory = '', producerCount = '1'] = process.argv.slice(2);
const store = await openStore({ directory, io: nodeIo() });
if (store.opened.places.length === 0) await store.commit({ operations: PLACES });
let nextUnit = (store.opened.nextSequence - (store.opened.nextSequence % 2)) / 2 + 10;
const acknowledged = openSync(`${directory}.acknowledged`, 'w');
writeSync(acknowledged, `${nextUnit}\n`);

const first = nextUnit;
await Promise.all(Array.from({ length: Number(producerCount) }, produce));

async function produce(): Promise<never> {
  for (;;) {
    const unit = nextUnit++;
    await store.commit({ operations: operationsOf(unit) });
    writeSync(acknowledged, `${unit}\n`);
    process.stdout.write('.');
  }
}

function operationsOf(unit: number): Operation[] {
  const puts = [put(1, 2 * unit, 'first of a pair'), put(1, 2 * unit + 1, 'second of a pair')];
  const count: Operation = { kind: 'addToCounter', key: `units/${first}`, amount: 1 };
  const old = unit - 3;
  if (old < first) return [...puts, count];
  const away = [2 * old, 2 * old + 1].map(
    (position): Operation => ({ kind: 'move', place: 1, position, toPlace: 3, toPosition: position }),
  );
  return [...puts, ...away, count];
}
