import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type DriverQuery, RoundTrip } from './round-trip.ts';

const LATE = new Error('Query read timeout');
const LOST = new Error('Connection terminated unexpectedly');

/** Two statements of ours, and one behind them when `last` says so; `heard` is what their askers were told. */
function setup({ hasLast = false } = {}) {
  const heard: string[] = [];
  const session = {
    expectTags: () => undefined,
    nameOf: () => 'name',
    keeps: () => false,
    keep: () => undefined,
  };
  const last = {
    handleError: (error: Error) => heard.push(`last: ${error.message}`),
    handleCommandComplete: () => undefined,
    handleReadyForQuery: () => heard.push('last: done'),
  } as unknown as DriverQuery;
  const listener = {
    ownDone: () => heard.push('own: done'),
    ownFailed: (error: Error) => heard.push(`own: ${error.message}`),
  };
  const own = [{ text: 'begin' }, { text: 'commit' }];
  const trip = new RoundTrip(session, own, listener, hasLast ? last : undefined);
  const complete = (count: number): void => {
    for (let tag = 0; tag < count; tag++) trip.handleCommandComplete({ text: 'TAG' }, undefined);
  };
  return { trip, heard, complete };
}

describe('a round trip', () => {
  test('has something to call from the beginning: the oldest drivers call it when their time is over', () => {
    const { trip, heard } = setup();
    trip.callback();
    trip.handleError(LATE, undefined);
    assert.deepEqual(heard, ['own: Query read timeout']);
  });

  for (const hasLast of [false, true]) {
    const what = hasLast ? 'one with a statement behind ours' : 'one of ours alone';
    for (const tagCount of [0, 1, 2, 3].slice(0, hasLast ? 4 : 3)) {
      const isToldLast = hasLast && tagCount >= 2;
      test(`is answered when the connection ends after ${tagCount} tags: ${what}`, () => {
        const { trip, heard, complete } = setup({ hasLast });
        complete(tagCount);
        trip.handleError(LOST, undefined);
        assert.deepEqual(heard, [
          ...(isToldLast ? ['own: done'] : []),
          `${isToldLast ? 'last' : 'own'}: ${LOST.message}`,
        ]);
      });

      test(`tells its failure once, though it fails again and is answered later, after ${tagCount} tags: ${what}`, () => {
        const { trip, heard, complete } = setup({ hasLast });
        complete(tagCount);
        trip.handleError(LATE, undefined);
        const toldFirst = [...heard];
        complete(3 - tagCount);
        trip.handleError(LOST, undefined);
        trip.handleReadyForQuery(undefined);
        assert.deepEqual(heard, toldFirst);
      });
    }
  }
});
