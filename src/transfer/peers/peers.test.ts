import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { FakeStream } from '../../../test/support/fake-stream.ts';
import { PeerStory } from '../../../test/support/peer-story.ts';

const BETA = { machine: 'beta', does: 'answers' } as const;

/** `beta` is at 10.0.0.2, and a message for it waits. */
async function connected(options: { readonly isLoaded?: boolean } = {}) {
  const story = new PeerStory();
  story.names.set('beta', ['10.0.0.2']);
  story.hosts.put('10.0.0.2', BETA);
  const stream = await story.stream('orders@beta', options);
  await story.until('connected', () => story.status('orders@beta').state === 'CONNECTED', 1000);
  return { story, stream };
}

/** `beta` is not reached for so long that the backoff is at its cap. */
async function longUnreached(story: PeerStory) {
  const stream = await story.stream('orders@beta');
  await story.advance(300_000);
  const { state, attempt } = story.status('orders@beta');
  assert.ok(state !== 'CONNECTED' && attempt > 5, `${attempt} attempts failed`);
  return stream;
}

describe('a peer', () => {
  test('is dialled as soon as a message waits, and its stream attached', async () => {
    const { story, stream } = await connected();
    assert.deepEqual(
      stream.delivered.map(({ machine, address }) => [machine, address]),
      [['beta', '10.0.0.2']],
    );
    const status = story.status('orders@beta');
    assert.match(status.text, /^Connected to beta at 10\.0\.0\.2, port 1801: 0 on the way/);
    assert.deepEqual(status.nextHop, { name: 'beta', address: '10.0.0.2', port: 1801 });
    assert.equal(status.attempts[0]?.outcome, 'CONNECTED');
    assert.deepEqual(status.attemptCounts, { CONNECTED: 1 });
  });

  test('is left alone when its link had nothing to do for 60 s, and dialled again for the next message', async () => {
    const { story, stream } = await connected();
    await story.advance(59_000);
    assert.equal(story.hosts.openLinks.length, 1);
    await story.advance(2000);
    assert.equal(story.hosts.links[0]?.end?.code, 'IDLE');
    const { state, reason } = story.status('orders@beta');
    assert.deepEqual([state, reason], ['IDLE', 'NOTHING_TO_SEND']);
    stream.put();
    await story.until('delivered', () => stream.delivered.length === 2, 100);
  });

  test('keeps its link while a stream waits for an acknowledgement', async () => {
    const { story } = await connected({ isLoaded: true });
    await story.advance(600_000);
    assert.equal(story.hosts.openLinks.length, 1);
  });

  test('shares one link between all its streams, each on a channel of its own', async () => {
    const { story, stream } = await connected();
    const other = await story.stream('billing@BETA');
    await story.until('delivered', () => other.delivered.length === 1, 100);
    assert.equal(story.hosts.links.length, 1);
    assert.notEqual(other.channel, stream.channel);
  });

  test('is reached where the settings say, by a name that is looked up or by an address', async () => {
    const machines = new Map([
      ['beta', { host: 'beta.internal', port: 1802 }],
      ['gamma', { host: '10.0.0.3', port: 1803 }],
    ]);
    const story = new PeerStory({ settings: { machines } });
    story.names.set('beta.internal', ['10.0.0.2']);
    story.names.set('10.0.0.3', ['10.0.0.3']);
    story.hosts.put('10.0.0.2', BETA);
    story.hosts.put('10.0.0.3', { machine: 'gamma', does: 'refuses' });
    await story.stream('orders@beta');
    await story.stream('orders@gamma');
    await story.advance(100);
    assert.deepEqual(story.status('orders@beta').nextHop, { name: 'beta.internal', address: '10.0.0.2', port: 1802 });
    assert.match(
      story.status('orders@gamma').text,
      /^10\.0\.0\.3 \(for gamma\): nothing listens on port 1803; next try in/,
    );
  });

  test('whose queue is full is asked again at its time, and the link is kept meanwhile', async () => {
    const { story, stream } = await connected();
    const [link] = story.hosts.links;
    assert.ok(link !== undefined);
    const other = await story.stream('full@beta', { messages: 0 });
    link.pauses.set('full', 20_000);
    other.put();
    await story.advance(100);
    const { state, reason, text, nextAttemptInMs } = story.status('full@beta');
    assert.deepEqual([state, reason], ['PAUSED_BY_PEER', 'QUEUE_FULL']);
    assert.match(text, /^beta says: queue full is full \(10,000\); asked again in 20 s\.$/);
    assert.ok(nextAttemptInMs !== undefined && nextAttemptInMs > 19_000);
    assert.equal(story.status('orders@beta').state, 'CONNECTED', 'the other stream goes on');
    link.pauses.clear();
    await story.until('delivered', () => other.delivered.length === 1, 20_100);
    assert.equal(story.hosts.links.length, 1);
    assert.equal(stream.attachments, 1);
  });

  test('is not sent to without TLS beyond loopback: nothing is dialled, and the queue names both mends', async () => {
    const story = new PeerStory({ usesTls: false });
    story.names.set('beta', ['10.0.0.2']);
    story.names.set('gamma', ['127.0.0.3']);
    story.hosts.put('127.0.0.3', { machine: 'gamma', does: 'answers' });
    await story.stream('orders@beta');
    const near = await story.stream('orders@gamma');
    await story.advance(60_000);
    const { state, reason, text } = story.status('orders@beta');
    assert.deepEqual([state, reason], ['REFUSED', 'PLAINTEXT_NOT_ALLOWED']);
    assert.match(text, /posthorn keys.*allowPlaintext/);
    assert.deepEqual(story.hosts.dialsTo('10.0.0.2'), []);
    assert.equal(near.delivered.length, 1, 'loopback needs no leave');
  });

  test('that stops says so, closes its links and leaves nothing behind', async () => {
    const { story } = await connected();
    await story.stream('orders@nobody');
    await story.advance(1000);
    await story.peers.stop();
    assert.equal(story.hosts.links[0]?.end?.code, 'SHUTTING_DOWN');
    assert.equal(story.status('orders@beta').reason, 'SHUTDOWN');
    assert.equal(story.io.timers.armedCount, 0);
  });
});

describe('attempts', () => {
  test('come 250 ms after a failure, then twice as late each time, never later than 45 s', async () => {
    const story = new PeerStory();
    story.names.set('beta', ['10.0.0.2']);
    story.hosts.put('10.0.0.2', { machine: 'beta', does: 'refuses' });
    await story.stream('orders@beta');
    await story.advance(900_000);
    const times = story.hosts.dialsTo('10.0.0.2');
    const gaps = times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0));
    const wanted = [250, 500, 1000, 2000, 4000, 8000, 16_000, 32_000];
    for (const [index, ms] of wanted.entries()) {
      const gap = gaps[index] ?? 0;
      assert.ok(gap >= ms * 0.79 && gap <= ms * 1.21 + 10, `gap ${index}: ${gap}, wanted ${ms} ± 20 %`);
    }
    // 5 ms more: the round trip of the refusal.
    for (const gap of gaps) assert.ok(gap <= 45_005, `${gap} ms is at most 45 s`);
    assert.ok(
      gaps.slice(8).every((gap) => gap > 20_000),
      'and stay slow',
    );
  });

  test('are remembered, the last 20 in full and all by outcome', async () => {
    const story = new PeerStory();
    story.names.set('beta', ['10.0.0.2']);
    story.hosts.put('10.0.0.2', { machine: 'beta', does: 'refuses' });
    await story.stream('orders@beta');
    await story.advance(1_200_000);
    const { attempts, attemptCounts, attempt } = story.status('orders@beta');
    assert.equal(attempts.length, 20);
    assert.ok((attemptCounts.CONNECT_REFUSED ?? 0) > 20);
    assert.equal(attempt, (attemptCounts.CONNECT_REFUSED ?? 0) + 1);
    assert.ok((attempts[0]?.atMs ?? 0) > (attempts[1]?.atMs ?? 0), 'latest first');
    assert.equal(attempts[0]?.address, '10.0.0.2');
  });

  test('say what the name is, who said so, and what each address answered', async () => {
    const story = new PeerStory();
    story.names.set('beta', ['10.0.0.2']);
    story.hosts.put('10.0.0.2', { machine: 'beta', does: 'refuses' });
    await story.stream('orders@beta');
    await story.advance(100);
    const status = story.status('orders@beta');
    assert.deepEqual([status.state, status.reason], ['WAITING', 'CONNECT_REFUSED']);
    assert.match(
      status.text,
      /^beta is 10\.0\.0\.2 \(DNS 10\.0\.0\.2\): nothing listens on port 1801; next try in 0\.\d s \(attempt 2\)\.$/,
    );
  });

  test('go on slowly while somebody refuses, and show the words of the other side', async () => {
    const story = new PeerStory();
    story.names.set('beta', ['10.0.0.2']);
    const text = "beta (10.0.0.2:1801) refused this machine: the store of 'alpha' is in use by another process";
    story.hosts.put('10.0.0.2', { machine: 'beta', does: { refused: 'DUPLICATE_STORE', text } });
    await story.stream('orders@beta');
    await story.advance(4000 - 10);
    const status = story.status('orders@beta');
    assert.deepEqual([status.state, status.reason], ['REFUSED', 'DUPLICATE_STORE']);
    assert.ok(status.text.includes(text), status.text);
    assert.equal(story.hosts.dials.length, 1);
    await story.advance(300_000);
    const times = story.hosts.dialsTo('10.0.0.2');
    assert.ok(times.slice(1).every((atMs, index) => atMs - (times[index] ?? 0) <= 45_005));
  });

  test('grow slower while the peer dies of every ATTACH: an answer alone is no success', async () => {
    const story = new PeerStory();
    story.names.set('beta', ['10.0.0.2']);
    story.hosts.put('10.0.0.2', { ...BETA, survivesAttach: false });
    await story.stream('orders@beta');
    await story.advance(60_000);
    const dials = story.hosts.dials.length;
    assert.ok(dials >= 6 && dials <= 12, `${dials} dials in a minute`);
    assert.equal(story.status('orders@beta').reason, 'RESET');
  });

  test('begin at once when an operator asks', async () => {
    const story = new PeerStory();
    story.names.set('beta', ['10.0.0.2']);
    const stream = await longUnreached(story);
    story.hosts.put('10.0.0.2', BETA);
    story.peers.retry('orders@beta');
    await story.until('delivered', () => stream.delivered.length === 1, 600);
  });
});

describe('faults of names', () => {
  test('fault 56: a name that nobody knows is a state with its reason; it is asked for again and again', async () => {
    const story = new PeerStory();
    const stream = await story.stream('orders@beta');
    await story.advance(120_000);
    const { state, reason, text } = story.status('orders@beta');
    assert.deepEqual([state, reason], ['WAITING', 'NAME_NOT_FOUND']);
    assert.match(text, /^beta has no address: nobody knows it; next try in/);
    story.names.set('beta', ['10.0.0.2']);
    story.hosts.put('10.0.0.2', BETA);
    await story.until('delivered', () => stream.delivered.length === 1, 10_000);
  });

  test('fault 56: without an answer the last address is tried once, and believed when the machine is there', async () => {
    const { story, stream } = await connected();
    await story.advance(2000);
    story.names.set('beta', 'NOT_FOUND');
    story.hosts.openLinks[0]?.cut();
    stream.put();
    await story.until('delivered', () => stream.delivered.length === 2, 100);
    assert.deepEqual(
      story
        .status('orders@beta')
        .attempts.slice(0, 2)
        .map(({ outcome }) => outcome),
      ['CONNECTED', 'NAME_NOT_FOUND'],
    );
  });

  test('fault 56: another machine at the last address gets nothing, and the queue says so', async () => {
    const { story, stream } = await connected();
    story.names.set('beta', 'NOT_FOUND');
    story.hosts.put('10.0.0.2', { machine: 'gamma', does: 'answers' });
    stream.isLoaded = true;
    stream.put();
    story.hosts.openLinks[0]?.cut();
    await story.advance(1000);
    const { reason, text } = story.status('orders@beta');
    assert.equal(reason, 'STALE_ADDRESS');
    assert.match(text, /beta has no address.*where it was before, 10\.0\.0\.2: .*answered as 'gamma'/);
    assert.ok(stream.delivered.every(({ machine }) => machine === 'beta'));
  });

  test('fault 57: a name server that fails and one that is mute are told apart', async () => {
    const story = new PeerStory();
    story.names.set('beta', 'SERVER_FAILED');
    story.names.set('gamma', 'TIMEOUT');
    await story.stream('orders@beta');
    await story.stream('orders@gamma');
    await story.advance(5000 + 100);
    assert.equal(story.status('orders@beta').reason, 'NAME_SERVER_FAILED');
    assert.equal(story.status('orders@gamma').reason, 'NAME_TIMEOUT');
    assert.ok(story.shown.some(({ queue, state }) => queue === 'orders@gamma' && state === 'RESOLVING'));
  });

  test('fault 55: a name that vanishes while connected leaves the link alone', async () => {
    const { story } = await connected({ isLoaded: true });
    story.names.set('beta', 'NOT_FOUND');
    await story.advance(600_000);
    story.names.set('beta', 'TIMEOUT');
    await story.advance(600_000);
    assert.equal(story.hosts.links.length, 1);
    assert.equal(story.status('orders@beta').state, 'CONNECTED');
  });

  test('while messages wait, the name is looked up at least every 10 s, whatever the backoff', async () => {
    const story = new PeerStory();
    story.names.set('beta', ['10.0.0.2']);
    await longUnreached(story);
    const times = story.names.lookups.map(({ atMs }) => atMs);
    const gaps = times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0));
    assert.ok(Math.max(...gaps) <= 10_000, `longest gap ${Math.max(...gaps)}`);
  });
});

describe('faults of addresses', () => {
  test('fault 58: of three addresses, one mute, one refusing, one right, the right one is linked within two starts', async () => {
    const story = new PeerStory();
    story.names.set('beta', ['10.0.0.2', '10.0.0.3', '10.0.0.4']);
    story.hosts.put('10.0.0.3', { machine: 'beta', does: 'refuses' });
    story.hosts.put('10.0.0.4', BETA);
    const stream = await story.stream('orders@beta');
    const tookMs = await story.until('delivered', () => stream.delivered.length === 1, 520);
    assert.ok(tookMs <= 2 * 250 + 20, `${tookMs} ms`);
    await story.advance(6000);
    assert.equal(story.hosts.inFlight, 0, 'the losers were given up');
  });

  test('fault 59: a machine is reached whichever family of its addresses works', async () => {
    for (const works of ['10.0.0.2', '2001:db8::2']) {
      const story = new PeerStory();
      story.names.set('beta', ['10.0.0.2', '10.0.0.3', '10.0.0.4', '2001:db8::2']);
      story.hosts.put(works, BETA);
      const stream = await story.stream('orders@beta');
      const tookMs = await story.until('delivered', () => stream.delivered.length === 1, 600);
      assert.ok(tookMs < 300, `${works}: ${tookMs} ms`);
    }
  });

  test('fault 60: when the name points to another machine, nothing is sent, and its name is shown', async () => {
    const { story, stream } = await connected({ isLoaded: true });
    story.hosts.put('10.0.0.2', { machine: 'gamma', does: 'answers' });
    story.hosts.openLinks[0]?.cut();
    await story.advance(120_000);
    const { state, reason, text } = story.status('orders@beta');
    assert.deepEqual([state, reason], ['REFUSED', 'WRONG_HOST']);
    assert.match(text, /^beta is 10\.0\.0\.2 .* answered as 'gamma', wanted is 'beta'; next try in/);
    assert.ok(stream.delivered.every(({ machine }) => machine === 'beta'));
    story.names.set('beta', ['10.0.0.5']);
    story.hosts.put('10.0.0.5', BETA);
    await story.until('moved', () => stream.link?.remoteAddress === '10.0.0.5', 10_000);
  });

  test('fault 49: the address changes and DNS follows: a silent link under load is replaced within 10 s', async () => {
    const { story, stream } = await connected({ isLoaded: true });
    const [old] = story.hosts.links;
    story.hosts.put('10.0.0.2', undefined);
    story.hosts.put('10.0.0.5', BETA);
    story.names.set('beta', ['10.0.0.5']);
    // Told 4 s after the last bytes: 2 s quiet, 2 s without an answer.
    old?.fallSilent();
    const tookMs = await story.until('moved', () => stream.link?.remoteAddress === '10.0.0.5', 6000);
    assert.ok(tookMs < 100, `${tookMs} ms`);
    assert.equal(old?.end?.code, 'REPLACED');
  });

  test('fault 49: DNS follows a little later than the silence, and is heard of while the old address is still dialled', async () => {
    const { story, stream } = await connected({ isLoaded: true });
    const [old] = story.hosts.links;
    story.hosts.put('10.0.0.2', undefined);
    old?.fallSilent();
    await story.advance(4000);
    old?.cut('PEER_SILENT');
    story.hosts.put('10.0.0.5', BETA);
    story.names.set('beta', ['10.0.0.5']);
    await story.until('moved', () => stream.link?.remoteAddress === '10.0.0.5', 4000);
  });

  test('fault 50: a name that is stale for 5 min: within 10 s of DNS, whatever the backoff', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const story = new PeerStory({ seed });
      story.names.set('beta', ['10.0.0.2']);
      const stream = await longUnreached(story);
      assert.equal(story.status('orders@beta').reason, 'CONNECT_TIMEOUT');
      story.hosts.put('10.0.0.5', BETA);
      story.names.set('beta', ['10.0.0.5']);
      await story.until('delivered', () => stream.delivered.length === 1, 10_000);
    }
  });

  test('fault 50: a stale name does not matter when the peer connects by itself: it is dialled where it came from', async () => {
    const story = new PeerStory();
    story.names.set('beta', ['10.0.0.2']);
    const stream = await longUnreached(story);
    story.hosts.put('10.0.0.5', BETA);
    story.peers.wake('Beta', 'inbound connection', '::ffff:10.0.0.5');
    await story.until('delivered', () => stream.delivered.length === 1, 1000);
    await story.advance(600_000);
    assert.deepEqual(
      stream.delivered.map(({ address }) => address),
      ['10.0.0.5'],
    );
  });

  test('fault 50: the same while the old address is being dialled', async () => {
    const { story, stream } = await connected({ isLoaded: true });
    story.hosts.put('10.0.0.2', undefined);
    story.hosts.put('10.0.0.5', BETA);
    story.hosts.openLinks[0]?.cut();
    await story.advance(1000);
    assert.equal(story.status('orders@beta').state, 'CONNECTING');
    story.peers.wake('beta', 'inbound connection', '10.0.0.5');
    await story.until('moved', () => stream.link?.remoteAddress === '10.0.0.5', 100);
  });

  test('without certificates, only a store that was met before is believed to be where it connects from', async () => {
    const story = new PeerStory({ usesTls: false, settings: { allowPlaintext: true } });
    story.names.set('beta', ['10.0.0.2']);
    story.hosts.put('10.0.0.2', BETA);
    const stream = await story.stream('orders@beta', { isLoaded: true });
    await story.advance(1000);
    story.hosts.put('10.0.0.2', undefined);
    story.hosts.openLinks[0]?.cut();
    story.hosts.put('10.0.0.6', { ...BETA, storeId: 'of somebody else' });
    story.peers.wake('beta', 'inbound connection', '10.0.0.6');
    await story.advance(1000);
    assert.deepEqual(story.hosts.openLinks, []);
    story.hosts.put('10.0.0.5', BETA);
    story.peers.wake('beta', 'inbound connection', '10.0.0.5');
    await story.until('moved', () => stream.link?.remoteAddress === '10.0.0.5', 1000);
  });

  test('fault 51: when the own address is gone, a second link is made at once and the streams move', async () => {
    const { story, stream } = await connected({ isLoaded: true });
    story.network.ownAddresses = ['127.0.0.1', '10.0.0.9'];
    story.peers.wakeAll('interfaces changed');
    await story.until('moved', () => stream.link === story.hosts.links[1], 100);
    assert.equal(story.hosts.links[0]?.end?.code, 'REPLACED');
  });

  test('fault 51: an own address that is added leaves the links alone', async () => {
    const { story } = await connected({ isLoaded: true });
    story.network.ownAddresses = ['127.0.0.1', '10.0.0.1', '10.0.0.9'];
    story.peers.wakeAll('interfaces changed');
    await story.advance(10_000);
    assert.equal(story.hosts.links.length, 1);
  });

  test('faults 52 to 54: after a change of own addresses, machines that only send to this one are dialled, so that they learn of it', async () => {
    const story = new PeerStory();
    story.names.set('beta', ['10.0.0.2']);
    story.peers.know('beta');
    story.peers.know('alpha');
    await story.advance(60_000);
    assert.equal(story.hosts.dials.length, 0, 'a known machine is not dialled without need');
    // The way is not there yet when the address is.
    story.peers.wakeAll('interfaces changed');
    await story.advance(1000);
    story.hosts.put('10.0.0.2', BETA);
    await story.until('greeted', () => story.hosts.links.length === 1, 10_000);
    await story.advance(10_000);
    assert.equal(story.hosts.links[0]?.end?.code, 'IDLE');
    assert.deepEqual(
      story.hosts.dials.filter(({ machine }) => machine !== 'beta'),
      [],
    );
  });

  test('a machine that does not answer a greeting is left alone after three', async () => {
    const story = new PeerStory();
    story.names.set('beta', ['10.0.0.2']);
    story.peers.know('beta');
    story.peers.wakeAll('resumed');
    await story.advance(600_000);
    assert.equal(story.hosts.dials.length, 3);
    assert.equal(story.io.timers.armedCount, 0);
  });

  test('make before break: an address that two answers in a row do not name is left for one that they do', async () => {
    const { story, stream } = await connected({ isLoaded: true });
    story.hosts.put('10.0.0.5', BETA);
    story.names.set('beta', ['10.0.0.5']);
    const [old] = story.hosts.links;
    const lookups = story.names.lookups.length;
    await story.until('moved', () => stream.link?.remoteAddress === '10.0.0.5', 80_000);
    assert.ok(story.names.lookups.length >= lookups + 2);
    assert.equal(old?.end?.code, 'REPLACED');
    assert.equal(stream.attachments, 2);
    await story.advance(600_000);
    assert.equal(story.hosts.links.length, 2, 'and stays there');
  });

  test('an address that is missing in one answer only is kept; so is a link whose new address does not answer', async () => {
    const { story } = await connected({ isLoaded: true });
    const lookups = story.names.lookups.length;
    story.names.set('beta', ['10.0.0.5']);
    await story.until('looked up', () => story.names.lookups.length > lookups, 40_000);
    story.names.set('beta', ['10.0.0.2']);
    await story.advance(300_000);
    assert.deepEqual(story.hosts.dialsTo('10.0.0.5'), []);
    story.names.set('beta', ['10.0.0.5']);
    await story.advance(300_000);
    assert.ok(story.hosts.dialsTo('10.0.0.5').length > 0);
    assert.equal(story.hosts.openLinks[0], story.hosts.links[0]);
    assert.equal(story.status('orders@beta').state, 'CONNECTED');
  });

  test('a link that wakes up before another one is there stays', async () => {
    const { story, stream } = await connected({ isLoaded: true });
    const [link] = story.hosts.links;
    story.hosts.put('10.0.0.2', undefined);
    link?.fallSilent();
    await story.advance(3000);
    link?.wakeUp();
    story.hosts.put('10.0.0.2', BETA);
    await story.advance(20_000);
    assert.equal(stream.link, link);
    assert.equal(story.hosts.inFlight, 0);
    assert.equal(story.hosts.links.length, 1);
  });
});

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
