import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeIo } from '../../src/io/node-io.ts';
import { requireCapability } from '../support/capabilities.ts';
import { whyNoNamespaces } from './network-namespaces.ts';
import { TrafficStory } from './traffic-story.ts';

/* Takes more than a minute, most of it waiting; in a file of its own, so that others run beside it. */

test('fault 50: the name is stale for 60 s, and the receiver cannot connect by itself: the queue says why, and traffic flows within 60 s of the name', {
  timeout: 240_000,
}, async (t) => {
  if (!requireCapability(t, 'netns', whyNoNamespaces)) return;
  // The receiver believes the sender to be where nobody is, so it cannot wake it.
  const story = await TrafficStory.begin(t, { beta: { machines: { alpha: '10.77.0.99' } } });
  story.alpha.watchOutgoing();

  story.network.addAddress('beta', '10.77.0.22');
  story.network.removeAddress('beta', '10.77.0.12');
  // The scenario itself: the name server keeps the old answer for a minute.
  await new Promise<void>((resolve) => nodeIo().timers.after(60_000, resolve, { keepsProcessAlive: true }));
  const before = story.beta.numbersFrom('alpha').length;
  const waiting = story.alpha.shown.filter(({ state }) => state === 'WAITING' || state === 'CONNECTING');
  assert.ok(
    waiting.some(({ text }) => text.includes('10.77.0.12') && text.includes('beta')),
    `the queue names the name and the address that it tried:${story.alpha.describeShown()}`,
  );
  assert.ok(
    waiting.some(({ reason }) => reason === 'CONNECT_TIMEOUT' || reason === 'UNREACHABLE' || reason === 'PEER_SILENT'),
    `the queue says why:${story.alpha.describeShown()}`,
  );
  await story.network.setName('beta', ['10.77.0.22']);
  const tookMs = await story.untilTrafficFlows(60_000);

  t.diagnostic(`nothing in 60 s (${before} before), then ${(tookMs / 1000).toFixed(1)} s after the name was right`);
  await story.endAndReconcile();
});
