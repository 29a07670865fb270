import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Durations, median } from './statistics.ts';

describe('statistics', () => {
  test('a percentile is the smallest value that at least that part of all values does not pass', () => {
    const durations = new Durations();
    for (let value = 100; value >= 1; value--) durations.add(value);
    assert.equal(durations.percentile(0.5), 50);
    assert.equal(durations.percentile(0.99), 99);
    assert.equal(durations.percentile(1), 100);
    assert.equal(durations.percentile(0), 1);
  });

  test('durations beyond the first block are kept', () => {
    const durations = new Durations();
    for (let value = 1; value <= 100_000; value++) durations.add(value);
    assert.equal(durations.count, 100_000);
    assert.equal(durations.percentile(0.5), 50_000);
  });

  test('the median is the middle value, of an even count the mean of the two middle ones', () => {
    assert.equal(median([9, 1, 5]), 5);
    assert.equal(median([1, 2, 3, 10]), 2.5);
    assert.ok(Number.isNaN(median([])));
  });
});
