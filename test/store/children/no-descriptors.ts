import { closeSync, openSync } from 'node:fs';
import { nodeIo } from '../../../src/io/node-io.ts';
import { openStore } from '../../../src/store/worker-store.ts';
import { PLACES, put, readAll } from '../store-fixture.ts';

/* Uses up every descriptor that the process may have, goes on working with the store, and tells what happened. */

const [directory = '', other = ''] = process.argv.slice(2);
const store = await openStore({ directory, io: nodeIo() });
await store.commit({ operations: [...PLACES, put(1, 0, 'before')] });

const taken: number[] = [];
let exhaustion = '';
while (exhaustion === '') {
  try {
    taken.push(openSync('/dev/null', 'r'));
  } catch (error) {
    exhaustion = (error as NodeJS.ErrnoException).code ?? '';
  }
}
for (let position = 1; position <= 200; position++) {
  await store.commit({ operations: [put(1, position, 'x'.repeat(50_000))] });
}
const opening = await openStore({ directory: other, io: nodeIo() }).then(
  () => 'opened',
  (error) => error.code,
);
const read = (await readAll(store, 1)).length;
for (const descriptor of taken) closeSync(descriptor);
const openingLater = await openStore({ directory: other, io: nodeIo() });
await openingLater.close();
await store.close();
console.log(JSON.stringify({ exhaustion, opening, read, condition: store.condition.state }));
