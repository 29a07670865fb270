import { nodeIo } from '../../src/io/node-io.ts';
import { openDirectStore } from '../../src/store/direct-store.ts';
import { openStore } from '../../src/store/worker-store.ts';
import { testStore } from './store-conformance.ts';

testStore('store in a worker', (directory) => openStore({ directory, io: nodeIo() }));
testStore('store on the calling thread', (directory) => openDirectStore({ directory, io: nodeIo() }));
