import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wrap } from './wrap.ts';

test('lines break between words, and within a word that is longer than a line', () => {
  assert.deepEqual(wrap('one two  three', 7), ['one two', 'three']);
  assert.deepEqual(wrap('a /very/long/path b', 6), ['a', '/very/', 'long/p', 'ath b']);
  assert.deepEqual(wrap('exact', 5), ['exact']);
  assert.deepEqual(wrap('', 5), ['']);
});

test('without a width a text is one line, whatever it holds', () => {
  assert.deepEqual(wrap('one\ntwo\u001b[2J three', undefined), ['one two\ufffd[2J three']);
});
