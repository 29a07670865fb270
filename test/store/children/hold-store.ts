import { createInterface } from 'node:readline';
import { nodeIo } from '../../../src/io/node-io.ts';
import { openStore } from '../../../src/store/worker-store.ts';

/* Opens the store `directory` for `purpose`, says so, and closes it when told on its input. */

const [directory = '', purpose] = process.argv.slice(2);
const store = await openStore({ directory, io: nodeIo(), purpose: purpose === 'cli' ? 'cli' : 'queue-manager' });
console.log('opened');
for await (const _line of createInterface({ input: process.stdin })) break;
await store.close();
