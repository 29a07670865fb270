import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { requireCapability } from '../support/capabilities.ts';
import { whyNoNamespaces } from './network-namespaces.ts';
import { PER_SECOND, TrafficStory } from './traffic-story.ts';

describe('when a name has trouble', { concurrency: 3, timeout: 240_000 }, () => {
  test('fault 55: a name that vanishes while connected leaves the connection alone', async (t) => {
    if (!requireCapability(t, 'netns', whyNoNamespaces)) return;
    const story = await TrafficStory.begin(t);
    story.beta.watchIncoming();
    story.alpha.watchOutgoing();
    await story.beta.until('the link is seen', () => story.beta.incoming?.links.length === 1, 5_000);
    const [before] = story.beta.incoming?.links ?? [];
    await story.network.setName('beta', []);
    await story.network.untilAsked('beta', '10.77.0.11');
    await story.untilTrafficFlows(5_000);
    const [after] = story.beta.incoming?.links ?? [];
    assert.equal(after?.remotePort, before?.remotePort, 'it is the same connection');
    assert.deepEqual([...new Set(story.alpha.shown.map(({ state }) => state))], ['CONNECTED']);
    await story.endAndReconcile();
  });

  test('faults 56 and 57: a name that is unknown, unanswered or failed is a reason of its own, and traffic flows when it is right', async (t) => {
    if (!requireCapability(t, 'netns', whyNoNamespaces)) return;
    const story = await TrafficStory.prepare(t);
    story.alpha.watchOutgoing();
    await story.network.setName('beta', 'failure');
    story.alpha.send('beta', PER_SECOND);
    await story.untilShown(({ reason }) => reason === 'NAME_SERVER_FAILED', 15_000);
    await story.network.setName('beta', []);
    await story.untilShown(({ reason }) => reason === 'NAME_NOT_FOUND', 15_000);
    await story.network.setName('beta', 'silence');
    await story.untilShown(({ reason }) => reason === 'NAME_TIMEOUT', 30_000);
    await story.network.setName('beta', ['10.77.0.12']);
    t.diagnostic(`traffic flowed after ${((await story.untilTrafficFlows(15_000)) / 1000).toFixed(1)} s`);
    await story.endAndReconcile();
  });

  test('fault 58: of three addresses, one mute, one refusing, one right, the right one is linked within two starts', async (t) => {
    if (!requireCapability(t, 'netns', whyNoNamespaces)) return;
    const story = await TrafficStory.prepare(t, { others: ['gamma'] });
    const { network, alpha, beta } = story;
    network.addAddress('gamma', '10.77.0.23');
    await story.others.get('gamma')?.end();
    network.dropIncoming('gamma', { to: '10.77.0.13', port: 1801 });
    await network.setName('beta', ['10.77.0.13', '10.77.0.23', '10.77.0.12']);
    alpha.watchOutgoing();
    alpha.send('beta', PER_SECOND);
    await alpha.until('the first is accepted', () => alpha.sent.length > 0, 5_000);
    const tookMs = await beta.until('the first is handled', () => beta.numbersFrom('alpha').length > 0, TWO_STARTS_MS);
    t.diagnostic(`handled ${tookMs.toFixed(0)} ms after it was accepted`);
    const { stdout } = await alpha.posthorn(['outgoing', 'orders@beta']);
    assert.match(stdout, /10\.77\.0\.12:1801 +CONNECTED +10\.77\.0\.12 is beta/);
    assert.match(stdout, /10\.77\.0\.23:1801 +CONNECT_REFUSED +nothing listens on port 1801/);
    await story.endAndReconcile();
  });
});

/** Two waits of 250 ms, and a second for machines that have more to do; whoever tries one after the other takes 5 s. */
const TWO_STARTS_MS = 1_500;
