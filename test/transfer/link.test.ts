import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LinkFailure } from '../../src/transfer/links/link-failure.ts';
import { acceptAt, cut, dataFrame, dial, endOf, linked, twoMachines } from '../support/two-machines.ts';

describe('asking for a sign of life', () => {
  test('tells the round trip and the clock of the peer', async () => {
    const story = twoMachines();
    story.beta.host.wallOffsetMs = 90_000;
    const { near } = await linked(story);
    const answer = await story.world.settle('ping', 1_000, near.link.ping());
    assert.ok(answer);
    const there = answer.wallMs - story.alpha.host.clock.wallNowMs();
    assert.ok(Math.abs(there - 90_000) < 10, `${there}`);
    assert.ok(answer.roundTripMs > 0.5 && answer.roundTripMs < 5, `${answer.roundTripMs}`);
  });

  test('fails when the link closes, and on a closed link', async () => {
    const story = twoMachines();
    const { near } = await linked(story);
    cut(story, 'both');
    const asked = near.link.ping().catch((error: unknown) => error);
    await endOf(story, near);
    const error = await story.world.settle('ping', 10, asked);
    assert.equal(error instanceof LinkFailure && error.reason, 'PEER_SILENT');
    await assert.rejects(near.link.ping(), LinkFailure);
  });

  test('a peer that asks and does not read makes us keep one answer, not one for each', async () => {
    const story = twoMachines();
    const { near, far } = await linked(story);
    near.link.pauseReading();
    // Its socket is full, then it asks ten thousand times.
    for (let count = 0; count < 40; count++) far.link.send({ type: 'closing', code: 'DONE', text: '' });
    for (let count = 0; count < 30; count++) {
      far.link.send({ type: 'acked', channel: 1, seq: count, refused: refusedList(2_000) });
    }
    const waitingBefore = far.link.waitingBytes;
    for (let count = 0; count < 10_000; count++) near.link.send({ type: 'ping', id: count });
    await story.world.advance(1_000);
    assert.ok(far.link.waitingBytes <= waitingBefore, `${far.link.waitingBytes} after ${waitingBefore}`);
  });
});

const refusedList = (count: number) =>
  Array.from({ length: count }, (_, seq) => ({ seq, code: 'NACK_TOO_LARGE' as const, text: 'x'.repeat(100) }));

describe('the end of a link', () => {
  test('what was sent before close arrives, then the reason', async () => {
    const story = twoMachines();
    const { near, far } = await linked(story);
    near.link.send(dataFrame(1, 300_000));
    near.link.close('IDLE', 'Nothing to send for 60 s.');
    near.link.close('OPERATOR', 'Twice is harmless.');
    near.link.send(dataFrame(2, 10));
    assert.equal(near.link.isOpen, false);
    await story.world.advance(100);
    assert.equal(far.frames.length, 1);
    assert.deepEqual(far.end, { code: 'IDLE', text: 'Nothing to send for 60 s.', isOurs: false });
    assert.deepEqual(near.end, { code: 'IDLE', text: 'Nothing to send for 60 s.', isOurs: true });
  });

  test('what the other end had still to say when CLOSING came goes out', async () => {
    const story = twoMachines();
    const { near, far } = await linked(story);
    far.onFrame = () => far.link.send({ type: 'acked', channel: 1, seq: 1, refused: [] });
    near.link.send(dataFrame(1, 10));
    near.link.close('DONE', 'That was all.');
    await story.world.advance(100);
    assert.deepEqual([near.end?.isOurs, far.end?.isOurs, far.end?.code], [true, false, 'DONE']);
  });

  test('a peer that is gone holds up the end for a second', async () => {
    const story = twoMachines();
    const { near } = await linked(story);
    cut(story, 'both');
    near.link.close('SHUTTING_DOWN', 'alpha is shutting down.');
    const tookMs = await endOf(story, near);
    assert.ok(tookMs <= 1_010, `${tookMs} ms`);
    assert.equal(near.end?.code, 'SHUTTING_DOWN');
  });

  test('fault 47: bytes that are no frame end the link at both ends with what was wrong', async () => {
    const story = twoMachines();
    const { near, far } = await linked(story);
    const mine = [...story.internet.connections].find(({ isDialer }) => isDialer);
    mine?.write(Buffer.from([0, 0, 0, 30, 7, 1, 2, 3, ...new Array(26).fill(0)]));
    await story.world.advance(100);
    assert.deepEqual([far.end?.code, far.end?.isOurs], ['MALFORMED', true]);
    assert.match(
      far.end?.text ?? '',
      /alpha \(10\.0\.0\.1:\d+\) sent what is no frame: DATA of 29 bytes does not match/,
    );
    assert.deepEqual([near.end?.code, near.end?.isOurs], ['MALFORMED', false]);
    assert.equal(near.end?.text, far.end?.text);
    assert.deepEqual(far.frames, []);
  });

  test('frames of the wrong direction end the link', async () => {
    const story = twoMachines();
    const { near, far } = await linked(story);
    far.link.send(dataFrame(1, 10));
    await story.world.advance(100);
    assert.match(near.end?.text ?? '', /DATA is not awaited here/);
    assert.equal(far.end?.code, 'MALFORMED');
  });

  test('a message larger than this end takes is taken in a frame, and what no sender of ours makes is not', async () => {
    const story = twoMachines();
    const { near, far } = await linked(story);
    near.link.send(dataFrame(1, far.link.peer.bodyBytesMax + 100_000));
    await story.world.advance(100);
    assert.equal(far.frames.length, 1);
    near.link.send(dataFrame(2, 2_000_000));
    await story.world.advance(1_500);
    assert.equal(far.end?.code, 'MALFORMED');
  });

  test('fault 23: a reset at any byte of DATA and ACKED ends both links, and no half frame comes out', async () => {
    for (let bytes = 0; bytes < 330; bytes += 3) {
      const story = twoMachines(bytes + 1);
      const { near, far } = await linked(story);
      far.onFrame = (frame) =>
        far.link.send({ type: 'acked', channel: 1, seq: Number('firstSeq' in frame), refused: [] });
      for (const connection of story.internet.connections) {
        connection.resetAfterBytes = connection.receivedBytes + (connection.isDialer ? Math.floor(bytes / 3) : bytes);
      }
      near.link.send(dataFrame(1, 100));
      near.link.send(dataFrame(2, 100));
      await story.world.advance(60_000);
      assert.ok(far.frames.every((frame) => frame.type === 'data' && frame.messages[0]?.body.byteLength === 100));
      if (bytes < 300) assert.deepEqual([near.link.isOpen, far.link.isOpen], [false, false], `after ${bytes} bytes`);
      assert.ok(['RESET', 'PEER_SILENT', 'ENDED'].includes(near.end?.code ?? 'RESET'), near.end?.code);
    }
  });

  test('a process that ends without a word is told from a broken line', async () => {
    const story = twoMachines();
    const { near } = await linked(story);
    const theirs = [...story.internet.connections].find(({ isDialer }) => !isDialer);
    theirs?.end();
    await story.world.advance(100);
    assert.deepEqual([near.end?.code, near.end?.isOurs], ['ENDED', false]);
  });

  test('a peer that takes nothing is given up before it costs more than 64 MiB', async () => {
    const story = twoMachines();
    const { near, far } = await linked(story);
    far.link.pauseReading();
    for (let seq = 1; seq <= 100 && near.link.isOpen; seq++) near.link.send(dataFrame(seq, 900_000));
    assert.equal(near.link.isOpen, false);
    await story.world.advance(10);
    assert.match(near.end?.text ?? '', /takes nothing: \d+ bytes wait/);
  });
});

describe('writing', () => {
  test('what is sent in one turn leaves as one write, and drained is told when it is gone', async () => {
    const story = twoMachines();
    const { near } = await linked(story);
    let writes = 0;
    story.internet.watcher = { written: () => writes++ };
    for (let id = 0; id < 100; id++) near.link.send({ type: 'attach', ...attach(id) });
    await story.world.advance(1);
    assert.equal(writes, 1);
    assert.equal(near.drained, 1);
    assert.equal(near.link.waitingBytes, 0);
  });

  test('small frames and large ones keep their order', async () => {
    const story = twoMachines();
    const { near, far } = await linked(story);
    for (let seq = 1; seq <= 60; seq += 3) {
      near.link.send(dataFrame(seq, 10));
      near.link.send(dataFrame(seq + 1, 100_000));
      near.link.send(dataFrame(seq + 2, 10_000));
    }
    await story.world.advance(1_000);
    assert.deepEqual(
      far.frames.map((frame) => frame.type === 'data' && frame.firstSeq),
      Array.from({ length: 60 }, (_, index) => index + 1),
    );
  });

  test('a frame that its receiver pauses at is the last until it goes on', async () => {
    const story = twoMachines();
    const { links } = await acceptAt(story, story.beta);
    const near = await dial(story, story.alpha, story.beta);
    await story.world.advance(5);
    const [far] = links;
    assert.ok(far);
    far.onFrame = () => far.link.pauseReading();
    for (let seq = 1; seq <= 3; seq++) near.link.send(dataFrame(seq, 10));
    await story.world.advance(100);
    assert.equal(far.frames.length, 1);
    far.link.resumeReading();
    await story.world.advance(100);
    assert.equal(far.frames.length, 2);
  });
});

const attach = (channel: number) => ({
  channel,
  queue: 'billing',
  epoch: 'e',
  acked: 0,
  ackedDigest: '0000000000000000',
  formerEpochs: [],
});
