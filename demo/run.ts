import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Demo } from './demo.ts';
import { Screen } from './screen.ts';

/**
 * `npm run demo`: what happens to thousands of webhooks between two machines when their processes are killed, one changes
 * its address, and one handler has a fault. Ends by itself in less than a minute; exit code 1 when one message was lost or handled twice.
 */
async function main(): Promise<number> {
  const screen = new Screen(process.stdout);
  const directory = mkdtempSync(join(tmpdir(), 'posthorn-demo-'));
  const demo = await Demo.create(screen, directory);
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

process.exitCode = await main();
