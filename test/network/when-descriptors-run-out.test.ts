import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, type TestContext, test } from 'node:test';
import type { Connection } from '../../src/io/network.ts';
import { nodeNetwork } from '../../src/io/node-network.ts';
import { Arrivals, ended } from '../support/connections.ts';

const network = nodeNetwork();

describe('when descriptors run out', () => {
  test('connections beyond them are closed instead of left waiting, those before go on, and the listener recovers', async (t) => {
    const child = await startWithFewDescriptors(t);
    const dial = (): Promise<Connection> =>
      network.connect({ address: '127.0.0.1', port: child.port, timeoutMs: 5000 });
    const first = ended(await dial());
    const closings: Promise<unknown>[] = [];
    let closedCount = 0;
    for (let count = 0; count < DESCRIPTORS_MAX; count++) {
      const one = ended(await dial());
      t.after(() => one.connection.destroy());
      closings.push(one.closed.then(() => closedCount++));
    }
    await Promise.race(closings);
    assert.ok(closedCount > 0);
    first.connection.write(Buffer.from('still served'));
    await first.says('still served');

    child.order('let go');
    assert.equal(await child.says(), 'let go');
    const later = ended(await dial());
    t.after(() => later.connection.destroy());
    later.connection.write(Buffer.from('served again'));
    await later.says('served again');
  });

  test('dialling says so', async (t) => {
    const child = await startWithFewDescriptors(t);
    child.order('dial');
    assert.equal(await child.says(), 'dialling ended with OUT_OF_DESCRIPTORS');
  });
});

const DESCRIPTORS_MAX = 64;

async function startWithFewDescriptors(t: TestContext) {
  const script = join(import.meta.dirname, 'children/few-descriptors.ts');
  const command = `ulimit -n ${DESCRIPTORS_MAX} && exec "$0" "$@"`;
  const child = spawn('sh', ['-c', command, process.execPath, '--conditions=posthorn-source', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.after(async () => {
    child.kill('SIGKILL');
    await once(child, 'close');
  });
  const lines = new Arrivals<string>();
  createInterface({ input: child.stdout }).on('line', (line) => lines.add(line));
  const [, port] = /^port (\d+)$/.exec(await lines.next()) ?? assert.fail('it never listened');
  return {
    port: Number(port),
    order: (text: string) => void child.stdin.write(`${text}\n`),
    says: () => lines.next(),
  };
}
