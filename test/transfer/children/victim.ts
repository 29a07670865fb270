import { silentLogger } from '../../../src/io/logger.ts';
import { openQueueManager, type ServedQueueManagerOptions } from '../../../src/operations/open-queue-manager.ts';

/*
 * The machine beta, which strangers attack: `node --expose-gc victim.ts OPTIONS`, as JSON. It says `ready`, and answers
 * `memory` until `end`. What nobody catches ends it, which the test sees.
 */

const options = JSON.parse(process.argv[2] ?? '{}') as Pick<ServedQueueManagerOptions, 'directory' | 'tls' | 'listen'>;
const manager = await openQueueManager({ ...options, machine: 'beta', logger: silentLogger });
await manager.declareQueue('in');
process.on('message', (question) => {
  if (question === 'memory') process.send?.(memoryInUse());
  if (question === 'end') void manager.close().then(() => process.exit(0));
});
process.send?.('ready');

/** Of what lives, in bytes. */
function memoryInUse(): number {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
