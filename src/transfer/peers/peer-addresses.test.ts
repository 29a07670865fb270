import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  ANSWERS_AS_BETA as BETA,
  connectedToBeta as connected,
  longUnreached,
  PeerStory,
} from '../../../test/support/peer-story.ts';

describe('faults of addresses', () => {
  test('fault 58: of three addresses, one mute, one refusing, one right, the right one is linked within two starts', async () => {
    const story = new PeerStory();
    story.names.set('beta', ['10.0.0.2', '10.0.0.3', '10.0.0.4']);
    story.hosts.put('10.0.0.3', { machine: 'beta', does: 'refuses' });
    story.hosts.put('10.0.0.4', BETA);
    const stream = await story.stream('orders@beta');
    const tookMs = await story.until('delivered', () => stream.delivered.length === 1, 520);
    assert.ok(tookMs <= 250 + 20, `${tookMs} ms: a refusal starts the next at once`);
    await story.advance(6000);
    assert.equal(story.hosts.inFlight, 0, 'the losers were given up');
  });

  test('of several addresses, the one that the reason is about is the next hop that is shown', async () => {
    const story = new PeerStory();
    story.names.set('beta', ['10.0.0.2', '10.0.0.3']);
    story.hosts.put('10.0.0.3', { machine: 'gamma', does: 'answers' });
    await story.stream('orders@beta');
    await story.until('refused', () => story.status('orders@beta').state === 'REFUSED', 10_000);
    const { reason, nextHop, attempts } = story.status('orders@beta');
    assert.deepEqual([reason, nextHop.address], ['WRONG_HOST', '10.0.0.3']);
    assert.equal(attempts[0]?.address, '10.0.0.2', 'the mute one ended last');
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

  test('fault 49: DNS follows while the old address is being dialled: the new one joins within 3 s', async () => {
    const { story, stream } = await connected({ isLoaded: true });
    await story.advance(2000);
    story.hosts.put('10.0.0.2', undefined);
    story.hosts.openLinks[0]?.cut();
    await story.advance(500);
    story.hosts.put('10.0.0.5', BETA);
    story.names.set('beta', ['10.0.0.5']);
    await story.until('moved', () => stream.link?.remoteAddress === '10.0.0.5', 3050);
  });

  test('fault 50: a changed answer begins the backoff anew, so that a machine that is not up yet is not waited for long', async () => {
    const story = new PeerStory();
    story.names.set('beta', ['10.0.0.2']);
    const stream = await longUnreached(story);
    story.hosts.put('10.0.0.5', { machine: 'beta', does: 'refuses' });
    story.names.set('beta', ['10.0.0.5']);
    await story.until('tried there', () => story.hosts.dialsTo('10.0.0.5').length > 1, 10_500);
    story.hosts.put('10.0.0.5', BETA);
    await story.until('delivered', () => stream.delivered.length === 1, 700);
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
    story.peers.wake('beta', 'inbound connection', '10.0.0.9');
    await story.advance(1000);
    story.hosts.put('10.0.0.2', undefined);
    story.hosts.openLinks[0]?.cut();
    await story.advance(1000);
    assert.deepEqual(story.hosts.dialsTo('10.0.0.9'), [], 'no store was met before');
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

  test('fault 51: what is being dialled from an address that is gone is dialled anew', async () => {
    const story = new PeerStory();
    story.names.set('beta', ['10.0.0.2']);
    const stream = await story.stream('orders@beta');
    await story.advance(1000);
    story.hosts.put('10.0.0.2', BETA);
    story.peers.wakeAll('interfaces changed');
    await story.until('delivered', () => stream.delivered.length === 1, 50);
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
    story.hosts.put('10.0.0.2', { ...BETA, roundTripMs: 4000 });
    link?.fallSilent();
    await story.advance(3000);
    assert.equal(story.hosts.inFlight, 1);
    link?.wakeUp();
    await story.advance(20_000);
    assert.equal(stream.link, link);
    assert.equal(story.hosts.inFlight, 0);
    assert.equal(story.hosts.links.length, 1);
  });
});
