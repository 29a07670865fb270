import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Header, headersOf } from '../message/headers.ts';
import { addToGroups, type FailureGroup, failureGroupOf } from './failure-group.ts';

function headers(changes: Readonly<Record<string, string>> = {}) {
  return headersOf({
    [Header.enclosedMessageTypes]: 'Sales.PlaceOrder',
    [Header.exceptionType]: 'TimeoutError',
    [Header.exceptionMessage]: 'order 1 timed out',
    [Header.exceptionStackTrace]: 'TimeoutError: order 1\n    at charge (/shop/src/billing.ts:24:1)',
    ...changes,
  });
}

describe('failure group', () => {
  test('messages with the same cause have the same id, whatever the text and wherever it is computed', () => {
    const group = failureGroupOf(headers());
    assert.deepEqual(group, failureGroupOf(headers({ [Header.exceptionMessage]: 'order 2 timed out' })));
    assert.match(group.id, /^[0-9a-f]{12}$/);
    assert.equal(group.id, '3957a02de96a', 'a stored or written down id stays valid over versions');
  });

  test('another exception, place or message type is another group', () => {
    const ids = [
      headers(),
      headers({ [Header.exceptionType]: 'TypeError' }),
      headers({ [Header.exceptionStackTrace]: 'x\n    at charge (/shop/src/billing.ts:25:1)' }),
      headers({ [Header.enclosedMessageTypes]: 'Sales.CancelOrder' }),
    ].map((each) => failureGroupOf(each).id);
    assert.equal(new Set(ids).size, 4);
  });

  test('a message that failed without an exception is grouped by its reason', () => {
    assert.equal(
      failureGroupOf(headersOf({ [Header.failureReason]: 'UndecodableBody' })).exceptionType,
      'UndecodableBody',
    );
    assert.equal(failureGroupOf(undefined).exceptionType, 'unknown');
  });

  test('groups of several pages add up: counts, first and last time, and the first example', () => {
    const groups = new Map<string, FailureGroup>();
    const cause = failureGroupOf(headers());
    const part = { ...cause, count: 2, firstFailureMs: 20, lastFailureMs: 30, exampleId: 'a', exampleText: 'A' };
    addToGroups(groups, part);
    addToGroups(groups, { ...part, count: 3, firstFailureMs: 10, lastFailureMs: undefined, exampleId: 'b' });
    assert.deepEqual([...groups.values()], [{ ...part, count: 5, firstFailureMs: 10, lastFailureMs: 30 }]);
  });
});
