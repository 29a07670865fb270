import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { requireCapability } from '../support/capabilities.ts';
import { whyNoNamespaces } from './network-namespaces.ts';
import type { MachineHost } from './test-machine-host.ts';
import { TrafficStory } from './traffic-story.ts';

/*
 * The incident of the seed, for real: two hosts under load in network namespaces, a real name server, and addresses that
 * change under them. Nobody restarts anything, and until traffic flows the outgoing queue says why not.
 */

describe('when an address changes', { concurrency: 2, timeout: 240_000 }, () => {
  test("fault 49: the receiver's address changes and the name follows at once: traffic flows again within 10 s", async (t) => {
    if (!requireCapability(t, 'netns', whyNoNamespaces)) return;
    const story = await TrafficStory.begin(t);
    story.alpha.watchOutgoing();

    story.network.addAddress('beta', '10.77.0.22');
    await story.network.setName('beta', ['10.77.0.22']);
    story.network.removeAddress('beta', '10.77.0.12');
    const tookMs = await story.untilTrafficFlows(10_000);

    t.diagnostic(`traffic flowed again after ${(tookMs / 1000).toFixed(1)} s`);
    await story.untilShown(({ text }) => text.includes('beta at 10.77.0.22'), 10_000);
    assert.match(
      story.alpha.describeShown(),
      /beta at 10\.77\.0\.12.*nothing heard for/,
      'before that the queue said that the old address is silent',
    );
    await story.endAndReconcile();
  });

  test("fault 51: the sender's own address changes: traffic flows again within 20 s", async (t) => {
    if (!requireCapability(t, 'netns', whyNoNamespaces)) return;
    const story = await TrafficStory.begin(t);
    story.alpha.watchOutgoing();

    story.network.addAddress('alpha', '10.77.0.21');
    story.network.removeAddress('alpha', '10.77.0.11');
    await story.network.setName('alpha', ['10.77.0.21']);
    const tookMs = await story.untilTrafficFlows(20_000);

    t.diagnostic(`traffic flowed again after ${(tookMs / 1000).toFixed(1)} s`);
    await story.endAndReconcile();
  });

  test('fault 50: the name is stale for 60 s, and the receiver connects by itself: traffic flows before the name is right', async (t) => {
    if (!requireCapability(t, 'netns', whyNoNamespaces)) return;
    const story = await TrafficStory.begin(t);

    story.network.addAddress('beta', '10.77.0.22');
    story.network.removeAddress('beta', '10.77.0.12');
    const tookMs = await story.untilTrafficFlows(20_000);

    t.diagnostic(
      `traffic flowed again after ${(tookMs / 1000).toFixed(1)} s, with the old address still in the name server`,
    );
    await story.network.setName('beta', ['10.77.0.22']);
    await story.endAndReconcile();
  });

  test("fault 60: another machine takes the receiver's address: not one message reaches it, and the queue names it", async (t) => {
    if (!requireCapability(t, 'netns', whyNoNamespaces)) return;
    const story = await TrafficStory.begin(t, { others: ['gamma'] });
    story.alpha.watchOutgoing();

    story.network.addAddress('beta', '10.77.0.22');
    story.network.removeAddress('beta', '10.77.0.12');
    story.network.removeAddress('gamma', '10.77.0.13');
    story.network.addAddress('gamma', '10.77.0.12');
    const gamma = story.others.get('gamma') as MachineHost;
    await story.untilShown(({ reason }) => reason === 'WRONG_HOST', 30_000);
    await story.network.setName('beta', ['10.77.0.22']);
    await story.untilTrafficFlows(20_000);

    const wrong = story.alpha.shown.find(({ reason }) => reason === 'WRONG_HOST');
    assert.match(
      wrong?.text ?? '',
      /10\.77\.0\.12.*gamma|gamma.*10\.77\.0\.12/,
      'the text names the address and who answered',
    );
    assert.deepEqual([...gamma.handled], [], 'the wrong machine got nothing');
    await story.endAndReconcile();
  });
});
