import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  ANSWERS_AS_BETA as BETA,
  connectedToBeta as connected,
  longUnreached,
  PeerStory,
} from '../../../test/support/peer-story.ts';

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
