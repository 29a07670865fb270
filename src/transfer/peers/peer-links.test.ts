import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { FakeStream } from '../../../test/support/fake-stream.ts';
import { ANSWERS_AS_BETA as BETA, connectedToBeta as connected, PeerStory } from '../../../test/support/peer-story.ts';

describe('faults of links', () => {
  test('fault 29: after partitions of 1 s, 60 s and 1 h messages flow again within 60 s', async () => {
    const { story, stream } = await connected({ isLoaded: true });
    for (const partitionMs of [1000, 60_000, 3_600_000]) {
      story.hosts.put('10.0.0.2', undefined);
      story.hosts.openLinks[0]?.cut('PEER_SILENT');
      const timersBefore = story.io.timers.armedCount;
      await story.advance(partitionMs);
      assert.ok(story.io.timers.armedCount <= timersBefore + 4, 'nothing piles up');
      story.hosts.put('10.0.0.2', BETA);
      await story.until('attached', () => stream.state === 'attached', 60_000);
      assert.equal(story.status('orders@beta').attempt, 1, 'attempts are counted anew');
    }
    assert.equal(story.hosts.openLinks.length, 1);
  });

  test('fault 38: a peer that is killed every 2 s is reached in each of its lives', async () => {
    const { story, stream } = await connected({ isLoaded: true });
    for (let life = 0; life < 100; life++) {
      story.hosts.put('10.0.0.2', { machine: 'beta', does: 'refuses' });
      story.hosts.openLinks[0]?.cut();
      await story.advance(300);
      story.hosts.put('10.0.0.2', BETA);
      await story.until('attached', () => stream.state === 'attached', 1000);
      await story.advance(1700);
    }
    assert.ok(story.hosts.dials.length < 500, `${story.hosts.dials.length} dials`);
  });

  test('fault 40: while both sides dial each other, each has one attempt under way and one link', async () => {
    const story = new PeerStory();
    story.names.set('beta', ['10.0.0.2']);
    story.hosts.put('10.0.0.2', { ...BETA, roundTripMs: 100 });
    const stream = await story.stream('orders@beta');
    for (let times = 0; times < 10; times++) {
      story.peers.wake('beta', 'inbound connection', '10.0.0.2');
      await story.advance(5);
    }
    await story.until('delivered', () => stream.delivered.length === 1, 1000);
    assert.equal(story.hosts.dials.length, 1);
    assert.equal(story.hosts.openLinks.length, 1);
  });

  test('a peer that connects again and again is not dialled in the same rhythm while it refuses', async () => {
    const story = new PeerStory();
    story.names.set('beta', ['10.0.0.2']);
    story.hosts.put('10.0.0.2', { machine: 'beta', does: 'refuses' });
    await story.stream('orders@beta');
    for (let times = 0; times < 1000; times++) {
      story.peers.wake('beta', 'inbound connection', '10.0.0.2');
      await story.advance(10);
    }
    assert.ok(story.hosts.dials.length <= 45, `${story.hosts.dials.length} dials in 10 s`);
  });

  test('a link that the peer gives up for another of ours is made anew, one address after the other', async () => {
    const story = new PeerStory();
    story.names.set('beta', ['10.0.0.2', '10.0.0.3']);
    for (const address of ['10.0.0.2', '10.0.0.3']) story.hosts.put(address, { ...BETA, roundTripMs: 400 });
    const stream = await story.stream('orders@beta', { isLoaded: true });
    await story.until('attached', () => stream.state === 'attached', 1000);
    story.hosts.openLinks[0]?.cut('REPLACED');
    const dials = story.hosts.dials.length;
    await story.until('attached again', () => stream.state === 'attached', 2000);
    assert.equal(story.hosts.dials.length, dials + 1);
  });

  test('fault 41: links that break one by one and come back in another order all carry their streams again', async () => {
    const story = new PeerStory();
    const machines = Array.from({ length: 8 }, (_, index) => ({ machine: `m${index}`, address: `10.0.1.${index}` }));
    const streams: FakeStream[] = [];
    for (const { machine, address } of machines) {
      story.names.set(machine, [address]);
      story.hosts.put(address, { machine, does: 'answers' });
      streams.push(await story.stream(`orders@${machine}`, { isLoaded: true }));
    }
    await story.advance(1000);
    for (const { machine, address } of machines) {
      story.hosts.put(address, undefined);
      for (const link of story.hosts.openLinks) if (link.peer.machine === machine) link.cut('PEER_SILENT');
      await story.advance(3000);
    }
    for (const { machine, address } of machines.toReversed()) {
      story.hosts.put(address, { machine, does: 'answers' });
      await story.advance(3000);
    }
    await story.until('all attached', () => streams.every(({ state }) => state === 'attached'), 60_000);
  });

  test('fault 42: of 500 machines 490 are dead, mute ones and refusing ones; the ten others are reached at once and stay so', async () => {
    const story = new PeerStory();
    const live: FakeStream[] = [];
    for (let index = 0; index < 500; index++) {
      const machine = `m${index}`;
      const address = `10.0.${index >> 8}.${index & 255}`;
      story.names.set(machine, [address]);
      if (index % 50 === 49) story.hosts.put(address, { machine, does: 'answers' });
      else if (index % 2 === 0) story.hosts.put(address, { machine, does: 'refuses' });
      const stream = story.addStream(`orders@${machine}`);
      if (index % 50 === 49) live.push(stream);
    }
    const tookMs = await story.until(
      'all live ones reached',
      () => live.every(({ delivered }) => delivered.length === 1),
      8000,
    );
    assert.ok(tookMs <= 8000, `${tookMs} ms`);
    assert.ok(story.hosts.inFlightMax <= 64, `${story.hosts.inFlightMax} dials at once`);
    await story.advance(300_000);
    for (const stream of live) {
      stream.put();
      const again = await story.until('delivered', () => stream.delivered.length >= 2, 100);
      assert.ok(again <= 100, `${again} ms`);
    }
    assert.ok(story.hosts.inFlightMax <= 64, `${story.hosts.inFlightMax} dials at once`);
    assert.ok(story.io.timers.armedCount <= 500 * 4, `${story.io.timers.armedCount} timers`);
  });
});
