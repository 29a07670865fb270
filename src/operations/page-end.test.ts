import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { positionOf } from '../store/store.ts';
import { lastPositionOfPriority, pageEnd } from './page-end.ts';

describe('where a page of work ends', () => {
  test('a page within the work goes on behind its last message', () => {
    const lastPosition = positionOf(3, 100);
    assert.deepEqual(pageEnd({ lastPosition, isLast: false }, 5, 100), { lookedAt: 5, lastPosition, isLast: false });
    assert.deepEqual(pageEnd({ lastPosition, isLast: true }, 5, undefined), {
      lookedAt: 5,
      lastPosition,
      isLast: true,
    });
    assert.deepEqual(pageEnd({ lastPosition: undefined, isLast: true }, 0, 100), {
      lookedAt: 0,
      lastPosition: undefined,
      isLast: true,
    });
  });

  test('one that met a newer message goes on with the next priority', () => {
    const end = pageEnd({ lastPosition: positionOf(3, 101), isLast: false }, 5, 100);
    assert.deepEqual(end, { lookedAt: 5, lastPosition: lastPositionOfPriority(3), isLast: false });
    assert.ok(lastPositionOfPriority(3) < positionOf(2, 0), 'the next priority begins behind it');
    assert.ok(lastPositionOfPriority(3) > positionOf(3, 2 ** 44), 'the priority ends before it');
  });

  test('the lowest priority has none behind it', () => {
    assert.equal(pageEnd({ lastPosition: positionOf(0, 101), isLast: false }, 5, 100).isLast, true);
  });
});
