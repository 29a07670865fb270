import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Header } from '../../src/message/headers.ts';
import { openQueueManager } from '../../src/operations/open-queue-manager.ts';
import { DEATHS_MAX } from '../../src/pipeline/behaviors/reject-process-killer.ts';
import { browseAll } from '../support/browse-all.ts';
import { LifeProcess } from './life-process.ts';

/** More than the 64 that run when the killer strikes. */
const MESSAGES = 100;
const KILLER = 20;

describe('a message that kills the process', () => {
  let parent: string;
  before(() => {
    parent = mkdtempSync(join(tmpdir(), 'posthorn-killer-'));
  });
  after(() => rmSync(parent, { recursive: true, force: true }));

  for (const how of ['exit', 'signal', 'uncaught error', 'out of memory']) {
    test(`by ${how} ends in the error queue after ${DEATHS_MAX} deaths, and all its neighbours are handled once`, async () => {
      const directory = join(parent, how);
      await fill(directory);
      const deaths = await liveUntilDone(directory, how);
      assert.equal(deaths, DEATHS_MAX);
      const { done, failed } = await readResult(directory);
      const innocents = Array.from({ length: MESSAGES }, (_, number) => number).filter((number) => number !== KILLER);
      assert.deepEqual(done, innocents);
      assert.deepEqual(failed, [{ number: KILLER, reason: 'ProcessDied', deaths: String(DEATHS_MAX) }]);
    });
  }
});

async function fill(directory: string): Promise<void> {
  const manager = await openQueueManager({ directory, machine: 'crash' });
  const messages = Array.from({ length: MESSAGES }, (_, number) => ({
    destination: { queue: 'work' },
    headers: {
      [Header.messageId]: String(number),
      [Header.enclosedMessageTypes]: number === KILLER ? 'Killer' : 'Innocent',
      [Header.contentType]: 'application/json',
    },
    body: Buffer.from(JSON.stringify({ number })),
  }));
  await manager.send(messages);
  await manager.close();
}

/** Starts the host again as often as it dies; resolves with the number of deaths. */
async function liveUntilDone(directory: string, how: string): Promise<number> {
  for (let deaths = 0; deaths <= DEATHS_MAX + 1; deaths++) {
    const memory = how === 'out of memory' ? ['--max-old-space-size=48'] : [];
    const host = new LifeProcess('killer-host.ts', [directory, String(deaths + 1), how], { nodeOptions: memory });
    const { code, errorText } = await host.ended;
    if (code === 0) return deaths;
    assert.doesNotMatch(errorText, /PosthornError|InvariantBroken/);
  }
  return Number.NaN;
}

async function readResult(directory: string) {
  const manager = await openQueueManager({ directory, machine: 'crash' });
  const numberOf = (body: Uint8Array | undefined): number => JSON.parse(Buffer.from(body ?? []).toString()).number;
  const done = (await browseAll(manager, 'done')).map(({ body }) => numberOf(body)).sort((left, right) => left - right);
  const failed = (await browseAll(manager, 'error')).map(({ headers, body }) => ({
    number: numberOf(body),
    reason: headers?.[Header.failureReason],
    deaths: headers?.[Header.deaths],
  }));
  await manager.close();
  return { done, failed };
}
