import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Header } from '../../src/message/headers.ts';
import { openQueueManager } from '../../src/operations/open-queue-manager.ts';
import { LifeProcess } from './life-process.ts';

/** `npm run bench -- backlog_1m` measures the same with a million. */
const MESSAGES = 100_000;
/** Stated are 200 ms; the machines that run tests have other things to do as well. */
const OPEN_MS_MAX = 1_000;
const MORE_BYTES_MAX = 150_000_000;

describe('fault 22: a process that runs out of memory over a long queue', () => {
  let directory: string;
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'posthorn-hoard-'));
    await fill(directory);
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  test('starts again within the stated time and memory, and has neither lost nor doubled a message', async () => {
    const hoarding = new LifeProcess('hoarding-host.ts', [directory, 'hoard'], {
      nodeOptions: ['--max-old-space-size=64'],
    });
    const death = await hoarding.ended;
    assert.notEqual(death.code, 0);
    assert.match(death.errorText, /heap out of memory/);

    const again = new LifeProcess('hoarding-host.ts', [directory, 'work']);
    const end = await again.ended;
    assert.equal(end.code, 0, end.errorText);
    const { openMs, waiting, moreBytes } = JSON.parse(end.outputText) as Record<string, number>;
    assert.ok(openMs !== undefined && openMs <= OPEN_MS_MAX, `opened in ${openMs} ms`);
    assert.ok(moreBytes !== undefined && moreBytes <= MORE_BYTES_MAX, `took ${moreBytes} bytes`);

    const counts = await countMessages(directory);
    assert.ok((waiting ?? MESSAGES) < MESSAGES, 'the process that died had handled some');
    assert.equal((counts.get('work') ?? 0) + (counts.get('done') ?? 0), MESSAGES);
    assert.equal(counts.get('error') ?? 0, 0);
  });
});

async function fill(directory: string): Promise<void> {
  const manager = await openQueueManager({ directory, machine: 'crash' });
  const body = Buffer.from(JSON.stringify({ text: 'x'.repeat(1000) }));
  for (let first = 0; first < MESSAGES; first += 200) {
    await manager.admission();
    const messages = Array.from({ length: 200 }, (_, index) => ({
      destination: { queue: 'work' },
      headers: {
        [Header.messageId]: String(first + index),
        [Header.enclosedMessageTypes]: 'Order',
        [Header.contentType]: 'application/json',
      },
      body,
    }));
    await manager.send(messages);
  }
  await manager.close();
}

async function countMessages(directory: string): Promise<ReadonlyMap<string, number>> {
  const manager = await openQueueManager({ directory, machine: 'crash' });
  const counts = new Map(manager.status().map(({ queue, messages }) => [queue, messages]));
  await manager.close();
  return counts;
}
