import { once } from 'node:events';
import type { Connection } from '../../../src/io/network.ts';
import { nodeNetwork } from '../../../src/io/node-network.ts';

/*
 * A process that has few descriptors: listens, says its port, and keeps every connection. On `dial` it connects to its
 * own port until that fails, says how, and lets go of all it has.
 */
const network = nodeNetwork();
const kept: Connection[] = [];
const listener = await network.listen(
  { address: '127.0.0.1', port: 0 },
  {
    accept: (connection) => {
      kept.push(connection);
      connection.listen({ onBytes: (bytes) => connection.write(bytes), onClosed: () => undefined });
    },
    refused: ({ failure }) => console.log(`refused ${failure.code}`),
    failed: (failure) => console.log(`failed ${failure.code}`),
  },
);
console.log(`port ${listener.port}`);

for (;;) {
  const [order] = await once(process.stdin, 'data');
  if (String(order).trim() === 'dial') console.log(`dialling ended with ${await dialUntilItFails()}`);
  for (const connection of kept.splice(0)) connection.destroy();
  console.log('let go');
}

async function dialUntilItFails(): Promise<string> {
  for (;;) {
    try {
      kept.push(await network.connect({ address: '127.0.0.1', port: listener.port, timeoutMs: 5000 }));
    } catch (error) {
      return error instanceof Error && 'code' in error ? String(error.code) : String(error);
    }
  }
}
