import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { countOf, formatAge, formatBytes, formatCount } from './format.ts';

describe('what people read', () => {
  test('bytes keep two digits at least', () => {
    const cases: readonly [number, string][] = [
      [0, '0 B'],
      [1023, '1023 B'],
      [1024, '1.0 KiB'],
      [10 * 1024, '10 KiB'],
      [1024 * 1024 - 1, '1024 KiB'],
      [1024 ** 2 * 1.5, '1.5 MiB'],
      [1024 ** 5 * 3, '3072 TiB'],
    ];
    for (const [bytes, text] of cases) assert.equal(formatBytes(bytes), text);
  });

  test('ages are rounded down to their largest unit', () => {
    const cases: readonly [number | undefined, string][] = [
      [undefined, ''],
      [999, 'now'],
      [1000, '1s'],
      [59_999, '59s'],
      [60_000, '1m'],
      [86_399_999, '23h'],
      [86_400_000 * 400, '400d'],
    ];
    for (const [ageMs, text] of cases) assert.equal(formatAge(ageMs), text);
  });

  test('counts have separators, and one is singular', () => {
    assert.equal(formatCount(1_234_567), '1,234,567');
    assert.equal(countOf(1, 'message'), '1 message');
    assert.equal(countOf(1000, 'message'), '1,000 messages');
  });
});
