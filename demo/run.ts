import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Demo } from './demo.ts';
import { Screen } from './screen.ts';
import { TransactionsDemo } from './transactions/demo.ts';

/**
 * `npm run demo`: what happens to thousands of webhooks between two machines when their processes are killed, one changes
 * its address, and one handler has a fault. `npm run demo:transactions`: what happens to orders in two databases and the queues
 * of two machines when a process dies at each step of the protocols. Both end by themselves in about a minute; exit code 1
 * when something was lost, done twice or half done.
 */
async function main(chosen: string | undefined): Promise<number> {
  const screen = new Screen(process.stdout);
  const directory = mkdtempSync(join(tmpdir(), 'posthorn-demo-'));
  const demo = await (chosen === 'transactions' ? TransactionsDemo : Demo).create(screen, directory);
  let succeeded = false;
  process.once('SIGINT', () => {
    void demo.end().then(() => {
      rmSync(directory, { recursive: true, force: true });
      process.exit(130);
    });
  });
  try {
    succeeded = await demo.run();
  } catch (error) {
    screen.line('');
    screen.line(`The demo failed: ${error instanceof Error ? error.message : error}`);
  } finally {
    await demo.end();
  }
  if (succeeded) rmSync(directory, { recursive: true, force: true });
  else screen.line(`Its data is kept in ${directory}`);
  return succeeded ? 0 : 1;
}

process.exitCode = await main(process.argv[2]);
