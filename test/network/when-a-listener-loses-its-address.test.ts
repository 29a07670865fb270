import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { requireCapability } from '../support/capabilities.ts';
import { whyNoNamespaces } from './network-namespaces.ts';
import type { MachineHost } from './test-machine-host.ts';
import { PER_SECOND, TrafficStory } from './traffic-story.ts';

describe('when a listener loses its address', { concurrency: 3, timeout: 240_000 }, () => {
  test('fault 52: a machine that listens everywhere answers at an address that it gets later, without a restart', async (t) => {
    if (!requireCapability(t, 'netns', whyNoNamespaces)) return;
    const story = await TrafficStory.begin(t);
    const { beta, network } = story;
    beta.watchIncoming();
    network.addAddress('beta', '10.77.0.22');
    const isThere = (): boolean => beta.incoming?.listeners[0]?.reachableAt.includes('10.77.0.22') ?? false;
    await beta.until('its own view names the new address', isThere, 5_000);
    await network.setName('beta', ['10.77.0.22']);
    const { exitCode, stdout } = await story.alpha.posthorn(['ping', 'beta']);
    assert.equal(exitCode, 0, stdout);
    assert.match(stdout, /ok +connect +10\.77\.0\.22:1801 takes connections/);
    const incoming = await beta.posthorn(['incoming']);
    assert.equal(incoming.exitCode, 0, incoming.stdout);
    assert.match(incoming.stdout, /^:: +1801 +LISTENING +no .*10\.77\.0\.12.*10\.77\.0\.22/m);
    await story.endAndReconcile();
  });

  test('fault 53: the one address of a listener vanishes and comes back: it says so in between, and is bound again', async (t) => {
    if (!requireCapability(t, 'netns', whyNoNamespaces)) return;
    const story = await TrafficStory.begin(t, { beta: { listen: { port: 1801, address: '10.77.0.12' } } });
    const { beta, network } = story;
    beta.watchIncoming();
    network.removeAddress('beta', '10.77.0.12');
    const lostMs = await untilListener(beta, 'LISTENER_REBINDING', 5_000);
    await assertRebinding(beta, '10.77.0.12');
    network.addAddress('beta', '10.77.0.12');
    const boundMs = await untilListener(beta, 'LISTENING', 5_000);
    assert.equal((await beta.posthorn(['incoming'])).exitCode, 0);
    const tookMs = await story.untilTrafficFlows(20_000);
    t.diagnostic(`seen after ${lostMs.toFixed(0)} ms, bound ${boundMs.toFixed(0)} ms after it was back`);
    t.diagnostic(`traffic flowed ${(tookMs / 1000).toFixed(1)} s later`);
    await story.endAndReconcile();
  });

  test('fault 54: an address that is not there at the start is waited for', async (t) => {
    if (!requireCapability(t, 'netns', whyNoNamespaces)) return;
    const beta = { listen: { port: 1801, address: '10.77.0.12' } };
    const story = await TrafficStory.prepare(t, { beta, addressless: ['beta'] });
    story.beta.watchIncoming();
    story.alpha.watchOutgoing();
    story.alpha.send('beta', PER_SECOND);
    await untilListener(story.beta, 'LISTENER_REBINDING', 5_000);
    await assertRebinding(story.beta, '10.77.0.12');
    await story.untilShown(
      ({ state, nextAttemptInMs }) => state === 'WAITING' && nextAttemptInMs !== undefined,
      15_000,
    );
    story.network.addAddress('beta', '10.77.0.12');
    await untilListener(story.beta, 'LISTENING', 5_000);
    const tookMs = await story.untilTrafficFlows(20_000);
    t.diagnostic(`traffic flowed ${(tookMs / 1000).toFixed(1)} s after the listener listened`);
    await story.endAndReconcile();
  });
});

function untilListener(machine: MachineHost, state: string, limitMs: number): Promise<number> {
  return machine.until(`it is ${state}`, () => machine.incoming?.listeners[0]?.state === state, limitMs);
}

/** What an operator sees of it, with an exit code that a monitor hears. */
async function assertRebinding(machine: MachineHost, address: string): Promise<void> {
  const { exitCode, stdout } = await machine.posthorn(['incoming']);
  assert.equal(exitCode, 1, stdout);
  assert.match(stdout, new RegExp(`^${address.replaceAll('.', '\\.')} +1801 +LISTENER_REBINDING `, 'm'));
}
