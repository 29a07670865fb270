import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ANSWERS_AS_BETA as BETA, PeerStory } from '../../../test/support/peer-story.ts';
import { SimulatedRandom } from '../../testing/simulated-random.ts';

const ADDRESSES = ['10.0.0.2', '10.0.0.3', '2001:db8::2'] as const;
const NAME_TROUBLES = ['NOT_FOUND', 'SERVER_FAILED', 'TIMEOUT'] as const;

/** Whatever can happen to a peer, by chance; the story checks every status on the way. */
async function strike(story: PeerStory, random: SimulatedRandom): Promise<void> {
  const address = pick(ADDRESSES, random);
  const [link] = story.hosts.openLinks;
  const strikes: readonly (() => void)[] = [
    () => story.hosts.put(address, undefined),
    () => story.hosts.put(address, BETA),
    () => story.hosts.put(address, { ...BETA, roundTripMs: random.integer(3000) }),
    () => story.hosts.put(address, { ...BETA, survivesAttach: false }),
    () => story.hosts.put(address, { machine: 'beta', does: 'refuses' }),
    () => story.hosts.put(address, { machine: 'gamma', does: 'answers' }),
    () => story.names.set('beta', [address]),
    () => story.names.set('beta', ADDRESSES),
    () => story.names.set('beta', pick(NAME_TROUBLES, random)),
    () => link?.cut(pick(['RESET', 'PEER_SILENT', 'SHUTTING_DOWN', 'REPLACED', 'ENDED', 'IDLE'], random)),
    () => link?.fallSilent(),
    () => link?.wakeUp(),
    () => link?.pauses.set('orders', random.integer(20_000)),
    () => story.peers.wake('beta', 'inbound connection', pick([address, undefined], random)),
    () => story.peers.wakeAll(pick(['interfaces changed', 'resumed'], random)),
    () => story.peers.retry('orders@beta'),
    () => {
      story.network.ownAddresses = pick([['10.0.0.1'], ['10.0.0.7']], random);
    },
  ];
  pick(strikes, random)();
  await story.settle();
}

function pick<Value>(values: readonly Value[], random: SimulatedRandom): Value {
  return values[random.integer(values.length)] as Value;
}

test('whatever happens to names, addresses, links and machines: nothing reaches another machine, every state has its reason, and when all is well again messages flow within 60 s', async () => {
  for (let seed = 1; seed <= 150; seed++) {
    const random = new SimulatedRandom(seed);
    const story = new PeerStory({ seed });
    story.names.set('beta', ['10.0.0.2']);
    const stream = await story.stream('orders@beta');
    for (let step = 0; step < 60; step++) {
      await strike(story, random);
      if (random.fraction() < 0.5) stream.put();
      if (random.fraction() < 0.2) stream.isLoaded = !stream.isLoaded;
      await story.advance(random.fraction() < 0.1 ? random.integer(200_000) : random.integer(3000));
      assert.ok(story.hosts.inFlight <= 2 * ADDRESSES.length, `seed ${seed}: ${story.hosts.inFlight} dials at once`);
      assert.ok(story.hosts.openLinks.length <= 1, `seed ${seed}: ${story.hosts.openLinks.length} links`);
      assert.ok(story.io.timers.armedCount < 40, `seed ${seed}: ${story.io.timers.armedCount} timers`);
    }

    stream.isLoaded = false;
    story.names.set('beta', ['10.0.0.3']);
    for (const address of ADDRESSES) story.hosts.put(address, address === '10.0.0.3' ? BETA : undefined);
    // What cannot be there any more ends by itself: a link to where nobody is, after 8 s of silence.
    await story.advance(8000);
    for (const link of story.hosts.openLinks) if (link.remoteAddress !== '10.0.0.3') link.cut('PEER_SILENT');
    const before = stream.delivered.length;
    stream.put();
    for (const link of story.hosts.openLinks) link.wakeUp();
    await story.until(`seed ${seed}: delivered`, () => stream.delivered.length > before, 60_000);
    assert.ok(stream.delivered.every(({ machine }) => machine === 'beta'));
    await story.peers.stop();
    // Lookups that are under way end by themselves.
    await story.advance(5000);
    assert.equal(story.io.timers.armedCount, 0, `seed ${seed}: nothing is left behind`);
    assert.equal(story.hosts.openLinks.length, 0);
  }
});
