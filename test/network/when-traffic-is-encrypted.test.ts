import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { requireCapability } from '../support/capabilities.ts';
import { makeTestAuthority } from '../support/certificates.ts';
import { whyNoNamespaces } from './network-namespaces.ts';
import { TrafficStory } from './traffic-story.ts';

/* The incident once more between machines as they are set up in earnest: keys in their folders, and no leave to go without. */
describe('when traffic is encrypted', { concurrency: 2, timeout: 240_000 }, () => {
  test("the receiver's address changes and the name follows at once: traffic flows again within 10 s", async (t) => {
    if (!requireCapability(t, 'netns', whyNoNamespaces)) return;
    const story = await begin(t);
    story.network.addAddress('beta', '10.77.0.22');
    await story.network.setName('beta', ['10.77.0.22']);
    story.network.removeAddress('beta', '10.77.0.12');
    const tookMs = await story.untilTrafficFlows(10_000);
    t.diagnostic(`traffic flowed again after ${(tookMs / 1000).toFixed(1)} s`);
    const incoming = await story.beta.posthorn(['incoming', '--json']);
    const { listeners, links } = JSON.parse(incoming.stdout) as { listeners: Encrypted[]; links: Encrypted[] };
    assert.ok(listeners.length > 0 && links.length > 0, incoming.stdout);
    assert.ok(
      [...listeners, ...links].every(({ isEncrypted }) => isEncrypted),
      incoming.stdout,
    );
    await story.endAndReconcile();
  });

  test("the sender's own address changes: traffic flows again within 20 s", async (t) => {
    if (!requireCapability(t, 'netns', whyNoNamespaces)) return;
    const story = await begin(t);
    story.network.addAddress('alpha', '10.77.0.21');
    story.network.removeAddress('alpha', '10.77.0.11');
    await story.network.setName('alpha', ['10.77.0.21']);
    const tookMs = await story.untilTrafficFlows(20_000);
    t.diagnostic(`traffic flowed again after ${(tookMs / 1000).toFixed(1)} s`);
    await story.endAndReconcile();
  });

  test('another machine with a certificate of the same authority takes the address: it gets nothing', async (t) => {
    if (!requireCapability(t, 'netns', whyNoNamespaces)) return;
    const story = await begin(t, ['gamma']);
    story.alpha.watchOutgoing();
    story.network.addAddress('beta', '10.77.0.22');
    story.network.removeAddress('beta', '10.77.0.12');
    story.network.removeAddress('gamma', '10.77.0.13');
    story.network.addAddress('gamma', '10.77.0.12');
    await story.untilShown(({ reason }) => reason === 'WRONG_HOST', 30_000);
    assert.match(story.alpha.describeShown(), /gamma/);
    await story.network.setName('beta', ['10.77.0.22']);
    await story.untilTrafficFlows(20_000);
    assert.deepEqual([...(story.others.get('gamma')?.handled ?? [])], []);
    await story.endAndReconcile();
  });
});

interface Encrypted {
  readonly isEncrypted: boolean;
}

async function begin(t: TestContext, others: readonly string[] = []): Promise<TrafficStory> {
  const authority = await makeTestAuthority();
  return await TrafficStory.begin(t, {
    others,
    every: async (machine) => ({ listen: { port: 1801 }, material: await authority.material(machine) }),
  });
}
