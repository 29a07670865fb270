import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressSetKey, CANDIDATES_MAX, orderCandidates } from './candidates.ts';

test('families take turns, beginning with that of the first address', () => {
  const answer = ['10.0.0.2', '10.0.0.3', '10.0.0.4', '2001:db8::2', '2001:db8::3'];
  assert.deepEqual(orderCandidates(answer, []), ['10.0.0.2', '2001:db8::2', '10.0.0.3', '2001:db8::3', '10.0.0.4']);
});

test('where the machine was before comes first, if the name still says so', () => {
  assert.deepEqual(orderCandidates(['10.0.0.2', '2001:db8::2'], ['2001:DB8:0::2', '10.0.0.9']), [
    '2001:db8::2',
    '10.0.0.2',
  ]);
});

test('an address is tried once, however often and in whatever spelling the answer has it', () => {
  assert.equal(orderCandidates(['10.0.0.2', '::ffff:10.0.0.2', '10.0.0.2'], []).length, 1);
});

test('a name with very many addresses is tried at the first ones', () => {
  const answer = Array.from({ length: 1000 }, (_, index) => `10.0.${index >> 8}.${index & 255}`);
  assert.equal(orderCandidates(answer, []).length, CANDIDATES_MAX);
});

test('a set of addresses is the same in any order and spelling, and another with one address more', () => {
  const key = addressSetKey(['10.0.0.2', '2001:db8::2']);
  assert.equal(addressSetKey(['2001:DB8:0:0::2', '10.0.0.2', '10.0.0.2']), key);
  assert.notEqual(addressSetKey(['2001:db8::2', '10.0.0.2', '10.0.0.3']), key);
});
