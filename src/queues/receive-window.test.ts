import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { WINDOW_MESSAGES_MAX } from './limits.ts';
import { ReceiveWindow, type WindowEntry } from './receive-window.ts';

const entry = (position: number, bodyBytes = 1): WindowEntry => ({
  position,
  headers: new Uint8Array(1),
  body: new Uint8Array(bodyBytes),
  deadlineMs: undefined,
  isDamaged: false,
});

const drain = (window: ReceiveWindow): number[] => {
  const positions: number[] = [];
  for (let next = window.takeFirst(); next !== undefined; next = window.takeFirst()) positions.push(next.position);
  return positions;
};

describe('the receive window', () => {
  test('messages come out in ascending position, however they came in', () => {
    const window = new ReceiveWindow();
    window.readFrom([entry(2), entry(7)], 7, true);
    window.arrived(entry(9));
    window.arrived(entry(4));
    assert.deepEqual(drain(window), [2, 4, 7, 9]);
  });

  test('a message beyond what was read is left to the next read, unless the end of the queue is in the window', () => {
    const window = new ReceiveWindow();
    window.readFrom([entry(1)], 1, false);
    window.arrived(entry(5));
    assert.deepEqual([window.length, window.readUpTo], [1, 1]);
    window.readFrom([entry(5)], 5, true);
    window.arrived(entry(6));
    assert.deepEqual([window.length, window.readUpTo], [3, 6]);
  });

  test('a full window forgets its tail and says that it must be read again', () => {
    const window = new ReceiveWindow();
    window.readFrom([entry(5_000_000)], 5_000_000, true);
    for (let position = 1; position <= WINDOW_MESSAGES_MAX; position++) window.arrived(entry(position));
    assert.equal(window.length, WINDOW_MESSAGES_MAX);
    assert.equal(window.isAtEnd, false);
    assert.ok(window.readUpTo < 5_000_000 && window.readUpTo >= WINDOW_MESSAGES_MAX);
  });

  test('one message larger than the limit of bytes is held alone', () => {
    const window = new ReceiveWindow();
    window.readFrom([entry(1, 16 * 1024 * 1024), entry(2)], 2, true);
    assert.deepEqual([window.length, window.readUpTo, window.isAtEnd], [1, 1, false]);
  });

  test('a message that must be read from the store makes the window fall back to just before it', () => {
    const window = new ReceiveWindow();
    window.readFrom([entry(1), entry(3), entry(5)], 5, true);
    window.arrivedUnread(2);
    assert.deepEqual([window.readUpTo, window.isAtEnd, drain(window)], [1, false, [1]]);
  });

  test('it never shows less than what is at or below its mark, against a model of the store', () => {
    const command = fc.record({
      position: fc.integer({ min: 0, max: 60 }),
      kind: fc.constantFrom('put', 'take', 'read', 'unread'),
    });
    fc.assert(
      fc.property(fc.array(command, { maxLength: 200 }), (commands) => {
        const window = new ReceiveWindow();
        const store = new Set<number>();
        const taken: number[] = [];
        for (const { kind, position } of commands) {
          if ((kind === 'put' || kind === 'unread') && !store.has(position)) {
            store.add(position);
            if (kind === 'put') window.arrived(entry(position));
            else window.arrivedUnread(position);
          }
          if (kind === 'take') {
            const first = window.takeFirst();
            if (first !== undefined) {
              taken.push(first.position);
              assert.ok(store.delete(first.position), 'what is taken is in the store, once');
            }
          }
          if (kind === 'read') {
            const beyond = [...store].filter((one) => one > window.readUpTo).sort((one, other) => one - other);
            const page = beyond.slice(0, 3);
            window.readFrom(
              page.map((one) => entry(one)),
              page.at(-1) ?? window.readUpTo,
              page.length === beyond.length,
            );
          }
          const known = [...store].filter((one) => one <= window.readUpTo);
          assert.equal(window.length, known.length, 'everything at or below the mark is in the window');
          if (window.isAtEnd) assert.equal(known.length, store.size, 'at the end nothing waits beyond it');
        }
      }),
      { numRuns: 500 },
    );
  });
});
