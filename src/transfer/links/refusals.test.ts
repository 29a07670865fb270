import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Refusals } from './refusals.ts';

describe('refusals that operators see', () => {
  const refusal = (remoteAddress: string, code: string, atMs: number) => ({
    atMs,
    remoteAddress,
    claimedMachine: undefined,
    code,
    text: `${remoteAddress}: said nothing.`,
  });

  test('the last fifty are kept, latest first, and all are counted', () => {
    const refusals = new Refusals();
    for (let index = 1; index <= 60; index++) refusals.add(refusal(`10.0.0.${index}`, 'MALFORMED', index));
    assert.deepEqual([refusals.count, refusals.latest.length], [60, 50]);
    assert.deepEqual([refusals.latest[0]?.atMs, refusals.latest[49]?.atMs], [60, 11]);
  });

  test('a flood from one address is one entry, and pushes out nobody', () => {
    const refusals = new Refusals();
    refusals.add(refusal('10.0.0.1', 'WRONG_HOST', 1));
    for (let index = 0; index < 1_000; index++) {
      assert.equal(refusals.add(refusal('10.6.6.6', 'HANDSHAKE_TIMEOUT', index)), index + 1);
    }
    assert.equal(refusals.count, 1_001);
    assert.deepEqual(
      refusals.latest.map(({ text, atMs }) => [text, atMs]),
      [
        ['10.6.6.6: said nothing. (1000 times)', 999],
        ['10.0.0.1: said nothing.', 1],
      ],
    );
  });
});
