import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  ANSWERS_AS_BETA as BETA,
  connectedToBeta as connected,
  longUnreached,
  PeerStory,
} from '../../../test/support/peer-story.ts';

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

  test('with a store that fails here says so, and when it is tried again', async () => {
    const { story, stream } = await connected();
    stream.state = 'failed';
    stream.failure = { text: 'The disk is slow.', retryAtMs: story.io.clock.monotonicNowMs() + 4_000 };
    const passing = story.status('orders@beta');
    assert.deepEqual([passing.state, passing.reason, passing.nextAttemptInMs], ['WAITING', 'LOCAL_STORE', 4_000]);
    assert.equal(passing.text, 'The store of this machine: The disk is slow. Tried again in 4.0 s.');
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

  test('that refused our certificate is dialled at once when there is another one', async () => {
    const story = new PeerStory();
    story.names.set('beta', ['10.0.0.2']);
    const text = 'beta (10.0.0.2:1801) refused the certificate of this machine: it has expired.';
    story.hosts.put('10.0.0.2', { machine: 'beta', does: { refused: 'CERTIFICATE_REFUSED', text } });
    const stream = await longUnreached(story);
    assert.equal(story.status('orders@beta').state, 'REFUSED');
    story.hosts.put('10.0.0.2', BETA);
    story.renewCertificates();
    await story.until('delivered', () => stream.delivered.length === 1, 300);
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
