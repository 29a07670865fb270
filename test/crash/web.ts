import { Endpoint } from '../../src/endpoint/endpoint.ts';
import { silentLogger } from '../../src/io/logger.ts';
import { LedgerWriter } from './ledger.ts';
import { keepSending } from './senders.ts';

/*
 * A process that sends over the control socket through all lives of the crash test: the owner of the directory dies
 * under its sends again and again. `node web.ts DIRECTORY LEDGER`; a line on its standard input asks it to end, which it
 * does when its last sends were answered.
 */

const [directory = '', ledgerPath = ''] = process.argv.slice(2);
const ledger = new LedgerWriter(ledgerPath);
const endpoint = new Endpoint('web', { sendOnly: true, directory, logger: silentLogger });
await endpoint.start();
const sending = keepSending(endpoint, ledger, { writer: 'web', concurrency: 4, pauseMs: 5, isBehind: () => false });
process.stdout.write('ready\n');
process.stdin.once('data', () => void end());

async function end(): Promise<void> {
  await sending.stop();
  await endpoint.stop();
  process.exit(0);
}
