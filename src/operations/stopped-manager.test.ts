import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Timers } from '../io/io.ts';
import { nodeIo } from '../io/node-io.ts';
import { QueueManager } from '../queues/queue-manager.ts';
import type { ManagerDescription } from './operations.ts';
import { StoppedManager } from './stopped-manager.ts';

describe('a directory that nobody runs', () => {
  for (const [what, network, expected] of [
    ['an alias in network.json means this machine', '{"aliases": ["other-name"]}', ['billing']],
    ['a network.json that cannot be read names no aliases, and verbs work without', '{', []],
  ] as const) {
    test(what, async (t) => {
      const directory = mkdtempSync(join(tmpdir(), 'posthorn-stopped-'));
      t.after(() => rmSync(directory, { recursive: true, force: true }));
      await (await QueueManager.open({ directory, machine: 'alpha' })).close();
      writeFileSync(join(directory, 'network.json'), network);
      const stopped = new StoppedManager({ directory, io: nodeIo() });
      const headers = { 'NServiceBus.MessageId': 'one' };
      const message = { destination: 'billing@Other-Name', headers, body: new Uint8Array(0) };
      await stopped.perform('send', { messages: [message] });
      const { queues } = (await stopped.perform('describeManager', {})) as ManagerDescription;
      await stopped.close();
      assert.deepEqual(queues, expected);
    });
  }

  test('that another verb has just now is waited for, and asked for often: it is left free for short times only', async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'posthorn-stopped-'));
    const other = await QueueManager.open({ directory, machine: 'alpha', purpose: 'cli' });
    t.after(async () => {
      await other.close();
      rmSync(directory, { recursive: true, force: true });
    });
    const io = nodeIo();
    const waits = Promise.withResolvers<number>();
    const after: Timers['after'] = (delayMs, action, options) => {
      waits.resolve(delayMs);
      return io.timers.after(delayMs, action, options);
    };
    const stopped = new StoppedManager({ directory, io: { ...io, timers: { ...io.timers, after } } });
    const page = stopped.perform('describeManager', {}) as Promise<ManagerDescription>;
    assert.ok((await Promise.race([waits.promise, page.then(() => Number.NaN)])) <= 20);
    await other.close();
    assert.equal((await page).machine, 'alpha');
    await stopped.close();
  });
});
