import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { requireCapability } from '../support/capabilities.ts';
import { whyNoNamespaces } from './network-namespaces.ts';
import type { MachineHost } from './test-machine-host.ts';
import { PER_SECOND, TrafficStory } from './traffic-story.ts';

/*
 * Connections that die without a word. A link with messages under way is given up after 8 s of silence, an idle one after
 * 15 s; what is seen here comes a moment later, because the machines are looked at from outside.
 */
describe('when a peer vanishes without a word', { concurrency: 3, timeout: 240_000 }, () => {
  test('fault 31: under load the sender finds out within 8 s and the receiver within 15 s, and both go on when it is back', async (t) => {
    if (!requireCapability(t, 'netns', whyNoNamespaces)) return;
    const story = await TrafficStory.begin(t);
    story.alpha.watchOutgoing();
    story.beta.watchIncoming();
    await story.untilShown(({ state }) => state === 'CONNECTED', 5_000);
    const plugIn = story.network.unplug('beta');
    const [senderMs, receiverMs] = await Promise.all([
      untilNotConnected(story.alpha, LOADED_MS),
      untilNoLink(story.beta, IDLE_MS),
    ]);
    const told = story.alpha.shown.find(({ state }) => state !== 'CONNECTED');
    assert.equal(told?.reason, 'PEER_SILENT', story.alpha.describeShown());
    assert.match(told.text, /^.*beta at 10\.77\.0\.12: connected, then nothing was heard any more/);
    t.diagnostic(`the sender found out after ${seconds(senderMs)}, the receiver after ${seconds(receiverMs)}`);
    plugIn();
    t.diagnostic(`traffic flowed again after ${seconds(await story.untilTrafficFlows(50_000))}`);
    await story.endAndReconcile();
  });

  test('fault 31: with nothing to send both sides find out within 15 s', async (t) => {
    if (!requireCapability(t, 'netns', whyNoNamespaces)) return;
    const story = await TrafficStory.begin(t);
    await story.alpha.quiet();
    story.alpha.watchOutgoing();
    story.beta.watchIncoming();
    await story.untilShown(({ state, unacknowledged }) => state === 'CONNECTED' && unacknowledged === 0, 5_000);
    const plugIn = story.network.unplug('beta');
    const [senderMs, receiverMs] = await Promise.all([
      untilNotConnected(story.alpha, IDLE_MS),
      untilNoLink(story.beta, IDLE_MS),
    ]);
    t.diagnostic(`found out after ${seconds(senderMs)} and ${seconds(receiverMs)}`);
    plugIn();
    story.alpha.send('beta', PER_SECOND);
    t.diagnostic(`traffic flowed again after ${seconds(await story.untilTrafficFlows(20_000))}`);
    await story.endAndReconcile();
  });

  test('fault 32: a router that silently forgets an idle connection is found out within 15 s, before anything is sent', async (t) => {
    if (!requireCapability(t, 'netns', whyNoNamespaces)) return;
    const story = await TrafficStory.begin(t);
    await story.alpha.quiet();
    story.beta.watchIncoming();
    const port = await linkPort(story.beta);
    forget(story, port);
    const isGone = (): boolean => story.beta.incoming?.links.every(({ remotePort }) => remotePort !== port) ?? false;
    const foundMs = await story.beta.until('the old connection is given up', isGone, IDLE_MS);
    story.alpha.send('beta', PER_SECOND);
    const tookMs = await story.untilTrafficFlows(5_000);
    t.diagnostic(`found out after ${seconds(foundMs)}; then traffic flowed after ${seconds(tookMs)}`);
    await story.endAndReconcile();
  });

  test('fault 32: under load a forgotten connection is replaced within 8 s', async (t) => {
    if (!requireCapability(t, 'netns', whyNoNamespaces)) return;
    const story = await TrafficStory.begin(t);
    story.beta.watchIncoming();
    forget(story, await linkPort(story.beta));
    t.diagnostic(`traffic flowed again after ${seconds(await story.untilTrafficFlows(LOADED_MS + 1_000))}`);
    await story.endAndReconcile();
  });

  test('fault 30: when only what the sender sends is lost, both sides find out within 15 s', async (t) => {
    if (!requireCapability(t, 'netns', whyNoNamespaces)) return;
    const story = await TrafficStory.begin(t);
    story.alpha.watchOutgoing();
    story.beta.watchIncoming();
    await story.untilShown(({ state }) => state === 'CONNECTED', 5_000);
    const heal = story.network.dropIncoming('beta', { from: '10.77.0.11' });
    const [senderMs, receiverMs] = await Promise.all([
      untilNotConnected(story.alpha, IDLE_MS),
      untilNoLink(story.beta, IDLE_MS),
    ]);
    t.diagnostic(`the sender found out after ${seconds(senderMs)}, the receiver after ${seconds(receiverMs)}`);
    await story.untilShown(({ reason }) => reason === 'CONNECT_TIMEOUT', 20_000);
    heal();
    t.diagnostic(`traffic flowed again after ${seconds(await story.untilTrafficFlows(50_000))}`);
    await story.endAndReconcile();
  });

  test('fault 30: when both send and only one way is cut, both find out within 15 s and say that they cannot connect', async (t) => {
    if (!requireCapability(t, 'netns', whyNoNamespaces)) return;
    const story = await TrafficStory.begin(t);
    const { alpha, beta } = story;
    const both = [alpha, beta];
    beta.send('alpha', PER_SECOND);
    await alpha.until('the other way flows too', () => alpha.numbersFrom('beta').length >= PER_SECOND, 15_000);
    for (const machine of both) machine.watchOutgoing();
    await Promise.all(both.map((machine) => machine.until('it is seen', () => machine.shown.length > 0, 5_000)));
    const heal = story.network.dropIncoming('alpha', { from: '10.77.0.12' });
    const found = await Promise.all(both.map((machine) => untilNotConnected(machine, IDLE_MS)));
    t.diagnostic(`the deaf side and the mute one found out after ${found.map(seconds).join(' and ')}`);
    const cannotConnect = (machine: MachineHost): boolean =>
      machine.shown.some(({ reason }) => reason === 'CONNECT_TIMEOUT');
    await Promise.all(both.map((machine) => machine.until('it waits', () => cannotConnect(machine), 20_000)));
    heal();
    const last = beta.sent.at(-1) ?? 0;
    const tookMs = await story.untilTrafficFlows(50_000);
    await alpha.until('and the other way', () => (alpha.numbersFrom('beta').at(-1) ?? 0) > last, 50_000);
    t.diagnostic(`traffic flowed again after ${seconds(tookMs)}`);
    await story.endAndReconcile();
  });
});

/** With a second for looking, and for a machine that has more to do. */
const LOADED_MS = 8_000 + 1_000;
const IDLE_MS = 15_000 + 1_000;

function untilNotConnected(machine: MachineHost, limitMs: number): Promise<number> {
  return machine.until('the link is given up', () => machine.shown.at(-1)?.state !== 'CONNECTED', limitMs);
}

function untilNoLink(machine: MachineHost, limitMs: number): Promise<number> {
  return machine.until('the inbound link is given up', () => machine.incoming?.links.length === 0, limitMs);
}

/** The sender's port of the only link. */
async function linkPort(machine: MachineHost): Promise<number> {
  await machine.until('the link is seen', () => machine.incoming?.links.length === 1, 5_000);
  const port = machine.incoming?.links[0]?.remotePort;
  assert.ok(port !== undefined);
  return port;
}

/** As a router does whose table is full: nothing of this connection comes through any more, on either side. */
function forget({ network }: TrafficStory, port: number): void {
  network.dropIncoming('beta', { from: '10.77.0.11', fromPort: port, port: 1801 });
  network.dropIncoming('alpha', { from: '10.77.0.12', fromPort: 1801, port });
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
