import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { countOf, written } from './wording.ts';

describe('the wording of errors', () => {
  test('a value is written as in a program, so that a text is told from a number', () => {
    assert.deepEqual([4, '4', null, undefined, true, Number.NaN, Symbol('s')].map(written), [
      '4',
      "'4'",
      'null',
      'undefined',
      'true',
      'NaN',
      'Symbol(s)',
    ]);
  });

  test('what has no short writing is named by its kind', () => {
    assert.deepEqual([{ a: 1 }, [1], () => 1, new Map(), Object.create(null)].map(written), [
      'an object',
      'an array',
      'a function',
      'an instance of Map',
      'an object',
    ]);
  });

  test('a text cannot take over the terminal or the line', () => {
    assert.equal(written('a\u001b[2J\nb'), "'a\\u001b[2J\\nb'");
    assert.equal(written('x'.repeat(1000)).length, 102);
  });

  test('one is told as one', () => {
    assert.deepEqual(
      [countOf(1, 'attempt'), countOf(0, 'attempt'), countOf(2, 'match', 'matches')],
      ['1 attempt', '0 attempts', '2 matches'],
    );
  });
});
