import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requireCapability } from '../support/capabilities.ts';
import { whyNoNamespaces } from './network-namespaces.ts';
import { TrafficStory } from './traffic-story.ts';

test('fault 34: a full queue over there pauses its messages and no others, says so, and takes them when there is room', {
  timeout: 240_000,
}, async (t) => {
  if (!requireCapability(t, 'netns', whyNoNamespaces)) return;
  const story = await TrafficStory.begin(t);
  const { alpha, beta } = story;
  await beta.posthorn(['queues', 'create', 'inbox', '--quota-messages', '2']);
  alpha.watchOutgoing();
  for (let number = 1; number <= 4; number++) {
    const sent = await alpha.posthorn(['send', 'inbox@beta', '--body', '{}', '--id', `letter-${number}`]);
    assert.equal(sent.exitCode, 0, sent.stderr);
  }
  const inbox = () => alpha.shown.findLast(({ queue }) => queue === 'inbox@beta');
  await alpha.until('it is paused', () => inbox()?.state === 'PAUSED_BY_PEER' && inbox()?.messages === 2, 15_000);
  assert.equal(inbox()?.reason, 'QUEUE_FULL');
  const shown = await alpha.posthorn(['outgoing', 'inbox@beta']);
  assert.match(shown.stdout, /PAUSED_BY_PEER, QUEUE_FULL/);
  assert.match(shown.stdout, /raise its quota there/);
  await story.untilTrafficFlows(5_000);

  await beta.posthorn(['queues', 'create', 'inbox', '--quota-messages', '10']);
  const tookMs = await alpha.until('they are taken', () => inbox()?.messages === 0, 15_000);
  t.diagnostic(`taken ${(tookMs / 1000).toFixed(1)} s after there was room`);
  const there = await beta.posthorn(['peek', 'inbox', '--json']);
  const ids = there.stdout
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { id: string }).id);
  assert.deepEqual(ids, ['letter-1', 'letter-2', 'letter-3', 'letter-4']);
  assert.match((await alpha.posthorn(['dead-letter', 'list'])).stdout, /No dead letters/);
  await story.endAndReconcile();
});
