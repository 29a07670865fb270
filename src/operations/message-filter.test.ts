import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Header, headersOf } from '../message/headers.ts';
import { formatTimestamp } from '../message/timestamp.ts';
import type { BrowsedMessage } from '../queues/browsing.ts';
import { InvalidFilter } from './errors.ts';
import { failureGroupOf } from './failure-group.ts';
import { FILTER_ID_COUNT_MAX, FILTER_TEXT_LENGTH_MAX, SEARCHED_BODY_BYTES_MAX } from './limits.ts';
import { type MessageFilter, messageMatcher, needsBodies } from './message-filter.ts';

const NOW_MS = Date.UTC(2026, 2, 1, 12);

function failed(changes: Readonly<Record<string, string>> = {}, body = '{"orderId":"7"}'): BrowsedMessage {
  const headers = headersOf({
    [Header.messageId]: 'message-1',
    [Header.enclosedMessageTypes]: 'Sales.PlaceOrder;Sales.Order',
    [Header.exceptionType]: 'TimeoutError',
    [Header.exceptionMessage]: 'The Bank did not answer',
    [Header.exceptionStackTrace]: 'TimeoutError: x\n    at charge (/shop/src/billing.ts:24:1)',
    [Header.failedQueue]: 'billing@alpha',
    [Header.timeOfFailure]: formatTimestamp(NOW_MS - 3_600_000),
    [Header.timeSent]: formatTimestamp(NOW_MS - 7_200_000),
    ...changes,
  });
  return {
    queue: 'error',
    position: 1,
    priority: 3,
    headers,
    id: 'message-1',
    bodyBytes: body.length,
    body: Buffer.from(body),
    isLocked: false,
    dueMs: undefined,
  };
}

function matches(filter: MessageFilter, message = failed()): boolean {
  return messageMatcher(filter, NOW_MS)(message);
}

describe('message filter', () => {
  test('an empty one means every message, also one whose headers cannot be read', () => {
    assert.ok(matches({}));
    assert.ok(matches({}, { ...failed(), headers: undefined }));
  });

  test('everything that is given has to hold', () => {
    assert.ok(matches({ type: 'Sales.PlaceOrder', exception: 'timeout' }));
    assert.equal(matches({ type: 'Sales.PlaceOrder', exception: 'declined' }), false);
  });

  test('a type is its whole name or its last part, any of those enclosed, in any case', () => {
    for (const type of ['Sales.PlaceOrder', 'PlaceOrder', 'placeorder', 'Order']) assert.ok(matches({ type }), type);
    for (const type of ['lace', 'Sales', 'Sales.Place']) assert.equal(matches({ type }), false, type);
  });

  test('a dead letter is meant by a part of its reason or of what happened, and by the queue it was meant for', () => {
    const headers = headersOf({
      [Header.deadLetterReason]: 'NACK_BAD_DST_Q',
      [Header.deadLetterText]: "There is no queue 'billing' on beta.",
      [Header.deadLetterQueue]: 'billing@beta',
    });
    const letter = { ...failed(), headers };
    for (const filter of [
      { deadLetterReason: 'nack_bad_dst_q' },
      { deadLetterReason: 'no queue' },
      { failedQueue: 'billing' },
      { failedQueue: 'billing@BETA', deadLetterReason: 'BAD' },
    ]) {
      assert.ok(matches(filter, letter), JSON.stringify(filter));
    }
    for (const filter of [{ deadLetterReason: 'denied' }, { failedQueue: 'billing@alpha' }]) {
      assert.equal(matches(filter, letter), false, JSON.stringify(filter));
    }
    assert.equal(matches({ deadLetterReason: 'NACK' }), false, 'a failed message is no dead letter');
  });

  test('an exception is a part of its type, its text or the reason', () => {
    assert.ok(matches({ exception: 'timeout' }));
    assert.ok(matches({ exception: 'the bank' }));
    assert.ok(matches({ exception: 'schema' }, failed({ [Header.failureReason]: 'SchemaInvalid' })));
    assert.equal(matches({ exception: 'billing' }), false);
  });

  test('the queue where it failed is named with or without its machine', () => {
    assert.ok(matches({ failedQueue: 'billing' }));
    assert.ok(matches({ failedQueue: 'Billing@Alpha' }));
    assert.equal(matches({ failedQueue: 'bill' }), false);
    assert.equal(matches({ failedQueue: 'billing@beta' }), false);
  });

  test('ages count from the failure, and from the sending when it did not fail', () => {
    assert.ok(matches({ olderThanMs: 3_599_999 }));
    assert.equal(matches({ olderThanMs: 3_600_000 }), false);
    assert.ok(matches({ newerThanMs: 3_600_000 }));
    assert.equal(matches({ newerThanMs: 3_599_999 }), false);
    const { [Header.timeOfFailure]: _, ...sentOnly } = failed().headers ?? {};
    assert.ok(matches({ olderThanMs: 7_199_999 }, { ...failed(), headers: headersOf(sentOnly) }));
    assert.equal(matches({ olderThanMs: 0 }, { ...failed(), headers: undefined }), false, 'an unknown age fits no age');
  });

  test('a group is any of those named', () => {
    const { id } = failureGroupOf(failed().headers);
    assert.ok(matches({ groups: ['000000000000', id] }));
    assert.equal(matches({ groups: ['000000000000'] }), false);
  });

  test('a text is looked for in headers, and in the beginning of bodies only when asked', () => {
    assert.ok(matches({ text: 'DID NOT ANSWER' }));
    assert.equal(matches({ text: 'orderid' }), false);
    assert.ok(matches({ text: 'orderid', searchesBodies: true }));
    assert.ok(needsBodies({ text: 'x', searchesBodies: true }));
    assert.equal(needsBodies({ text: 'x' }), false);
    const far = failed({}, `${' '.repeat(SEARCHED_BODY_BYTES_MAX)}orderid`);
    assert.equal(matches({ text: 'orderid', searchesBodies: true }, far), false);
  });

  test('a filter beyond its limits is refused with the name of its part', () => {
    const atLimit = 'x'.repeat(FILTER_TEXT_LENGTH_MAX);
    assert.equal(matches({ text: atLimit }), false);
    const wrong: readonly [MessageFilter, RegExp][] = [
      [{ text: `${atLimit}x` }, /'text' has 257 characters/],
      [{ type: '' }, /'type' is empty/],
      [{ ids: [] }, /'ids' names nothing/],
      [{ ids: Array.from({ length: FILTER_ID_COUNT_MAX + 1 }, String) }, /'ids' names 257/],
      [{ olderThanMs: Number.NaN }, /'olderThanMs' is NaN/],
    ];
    for (const [filter, text] of wrong) {
      assert.throws(
        () => matches(filter),
        (error) => error instanceof InvalidFilter && text.test(error.message),
      );
    }
  });
});
