import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerAttach } from './answer-attach.ts';
import { EMPTY_DIGEST, formatDigest, nextDigest, parseDigest } from './digest.ts';
import { type ReceiverView, reconcile } from './reconcile.ts';
import { SentMessages } from './sent-messages.ts';
import type { IncomingRow } from './stream-rows.ts';

/** Five acknowledged, three more sent. */
const DIGESTS = new Map([5, 6, 7, 8].map((seq) => [seq, `digest-${seq}`]));

function decide(receiver: Partial<ReceiverView>, sender: { acked?: number; peerStoreId?: string | undefined } = {}) {
  return reconcile(
    { acked: 5, peerStoreId: 'store-b', digestAt: (seq) => DIGESTS.get(seq), ...sender },
    { storeId: 'store-b', last: undefined, digest: undefined, ...receiver },
  );
}

test('with equal digests, what the receiver has is acknowledged and the rest is sent again', () => {
  for (const last of [5, 6, 8]) {
    assert.deepEqual(decide({ last, digest: `digest-${last}` }), { kind: 'resume', acknowledgedUpTo: last });
  }
});

test('a receiver that knows more than was sent proves that the sender went back in time', () => {
  const decision = decide({ last: 9, digest: 'digest-9' });
  assert.deepEqual(decision, { kind: 'newEpoch', event: 'STREAM_REGRESSION', marksPossibleDuplicates: true });
});

test('another digest at the same sequence is never an acknowledgement', () => {
  for (const last of [5, 7]) {
    const decision = decide({ last, digest: 'of other messages' });
    assert.deepEqual(decision, { kind: 'newEpoch', event: 'STREAM_REGRESSION', marksPossibleDuplicates: true });
  }
});

test('an answer without a digest is the word of the receiver that the sender went back in time', () => {
  assert.equal(decide({ last: 5, digest: undefined }).kind, 'newEpoch');
  assert.equal(decide({ last: 0, digest: undefined }, { acked: 0, peerStoreId: undefined }).kind, 'newEpoch');
});

test('a receiver that knows less than it confirmed has lost data', () => {
  const decision = decide({ last: 4, digest: 'digest-4' });
  assert.deepEqual(decision, { kind: 'newEpoch', event: 'PEER_LOST_DATA', marksPossibleDuplicates: true });
});

test('a stream that the same store does not know begins, or was lost there', () => {
  assert.deepEqual(decide({}, { acked: 0 }), { kind: 'resume', acknowledgedUpTo: 0 });
  assert.deepEqual(decide({}, { acked: 0, peerStoreId: undefined }), { kind: 'resume', acknowledgedUpTo: 0 });
  assert.deepEqual(decide({}), { kind: 'newEpoch', event: 'PEER_LOST_DATA', marksPossibleDuplicates: true });
});

test('a stream that another store does not know begins anew, also when nothing was confirmed', () => {
  for (const acked of [0, 5]) {
    const decision = decide({ storeId: 'store-c' }, { acked });
    assert.deepEqual(decision, { kind: 'newEpoch', event: 'PEER_STORE_REPLACED', marksPossibleDuplicates: true });
  }
});

test('the receiver answers with the refusals that the sender has not settled', () => {
  const answer = answerAttach({ row: { ...ROW, refused: [refusal(3), refusal(6)] }, acked: 5 });
  assert.deepEqual(answer, { kind: 'known', last: 7, digest: 'd7', refused: [refusal(6)] });
});

test('a sender that asks for a refusal it once had settled went back in time', () => {
  const row = { ...ROW, forgottenRefusalSeq: 6 };
  assert.equal(answerAttach({ row, acked: 5 }).kind, 'wentBack');
  assert.equal(answerAttach({ row, acked: 6 }).kind, 'known');
});

test('an epoch that was found behind a later one stays so', () => {
  const answer = answerAttach({ row: { ...ROW, wentBack: true }, acked: 5 });
  assert.deepEqual(answer, { kind: 'wentBack', last: 5, digest: undefined, refused: [] });
});

test('the digest depends on every message, its size and the order', () => {
  const [one, other] = [Buffer.from('{"id":1}'), Buffer.from('{"id":2}')];
  const digest = (...messages: readonly (readonly [Uint8Array, number])[]): string =>
    formatDigest(messages.reduce((before, [headers, bytes]) => nextDigest(before, headers, bytes), EMPTY_DIGEST));
  const all = [
    digest([one, 5], [other, 5]),
    digest([other, 5], [one, 5]),
    digest([one, 5]),
    digest([one, 6], [other, 5]),
  ];
  assert.equal(new Set(all).size, all.length);
  for (const text of all) assert.equal(formatDigest(parseDigest(text) ?? EMPTY_DIGEST), text);
  assert.equal(parseDigest('not a digest'), undefined);
});

test('the order of positions gives sequences and digests again', () => {
  const sent = new SentMessages();
  sent.beginAt(5, formatDigest(EMPTY_DIGEST));
  for (const position of [10, 12, 19]) sent.add(position, Buffer.from(`{"at":${position}}`), 1);
  assert.equal(sent.lastSeq, 8);
  assert.equal(sent.at(7)?.position, 12);
  const digest = sent.digestAt(7);
  sent.acknowledge(7);
  assert.equal(sent.digestAt(7), digest);
  assert.equal(sent.digestAt(6), undefined);
  assert.equal(sent.digestAt(9), undefined);
  assert.deepEqual(
    sent.takeBack().map(({ position }) => position),
    [19],
  );
  assert.equal(sent.lastSeq, 7);
});

const ROW: IncomingRow = { last: 7, digest: 'd7', refused: [], machine: 'alpha', usedMs: 0 };

function refusal(seq: number) {
  return { seq, code: 'NACK_BAD_DST_Q' as const, text: 'no such queue' };
}
