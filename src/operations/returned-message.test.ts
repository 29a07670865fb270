import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Header, headersOf } from '../message/headers.ts';
import type { BrowsedMessage } from '../queues/browsing.ts';
import type { Delivery } from '../transport/transport.ts';
import { headersForReturn, planReturn } from './returned-message.ts';

const UNTOUCHED = {
  [Header.messageId]: 'message-1',
  [Header.conversationId]: 'conversation-1',
  [Header.enclosedMessageTypes]: 'Sales.PlaceOrder',
  [Header.timeSent]: '2026-03-01 12:00:00:000000 Z',
  [Header.timeToBeReceived]: '00:10:00',
  'Shop.Tenant': 'north',
};

function plan(headers: Readonly<Record<string, string>> | undefined, to?: string, isDamaged = false) {
  const message = { headers: headers === undefined ? undefined : headersOf(headers) } as Partial<BrowsedMessage>;
  const delivery = { headers: Buffer.from('stored bytes'), isDamaged } as Partial<Delivery>;
  // Only these parts of either are looked at.
  return planReturn(message as BrowsedMessage, delivery as Delivery, to);
}

describe('what return-to-source makes of a message', () => {
  test('it goes to the queue where it failed, and everything that failing added is gone', () => {
    const planned = plan({
      ...UNTOUCHED,
      [Header.failedQueue]: 'billing@alpha',
      [Header.timeOfFailure]: '2026-03-01 12:00:01:000000 Z',
      [Header.delayedRetries]: '3',
      [Header.delayedRetriesTimestamp]: 'x',
      'NServiceBus.FLRetries': '5',
      [Header.exceptionType]: 'TypeError',
      [Header.exceptionMessage]: 'x',
      [Header.exceptionStackTrace]: 'x',
      [`${Header.exceptionData}code`]: 'ECONNREFUSED',
      'NServiceBus.ExceptionInfo.SomethingNewer': 'x',
      [Header.failureReason]: 'HandlerFailed',
      [Header.attempts]: '24',
      [Header.deaths]: '2',
    });
    assert.equal(planned.kind, 'return');
    assert.deepEqual(planned.kind === 'return' && planned.destination, { queue: 'billing', machine: 'alpha' });
    assert.deepEqual({ ...(planned.kind === 'return' && planned.headers) }, UNTOUCHED);
  });

  test('a dead letter goes to the queue it was meant for', () => {
    const planned = plan({
      ...UNTOUCHED,
      [Header.deadLetterReason]: 'NACK_RECEIVE_TIMEOUT',
      [Header.deadLetterQueue]: 'sales@alpha',
    });
    assert.deepEqual(planned.kind === 'return' && planned.destination, { queue: 'sales', machine: 'alpha' });
    assert.deepEqual({ ...(planned.kind === 'return' && planned.headers) }, UNTOUCHED);
  });

  test('a failed message that could not be delivered to its error queue goes there with its failure, or with --to without it', () => {
    const failed = { ...UNTOUCHED, [Header.failedQueue]: 'billing@alpha', [Header.exceptionType]: 'TypeError' };
    const headers = {
      ...failed,
      [Header.deadLetterReason]: 'NACK_BAD_DST_Q',
      [Header.deadLetterQueue]: 'error@ops',
      [Header.deadLetterText]: "There is no queue 'error' on machine 'ops'.",
    };
    const planned = plan(headers);
    assert.deepEqual(planned.kind === 'return' && planned.destination, { queue: 'error', machine: 'ops' });
    assert.deepEqual({ ...(planned.kind === 'return' && planned.headers) }, failed);
    const elsewhere = plan(headers, 'billing@alpha');
    assert.deepEqual({ ...(elsewhere.kind === 'return' && elsewhere.headers) }, UNTOUCHED);
  });

  test('--to wins over where it failed', () => {
    const planned = plan({ ...UNTOUCHED, [Header.failedQueue]: 'billing@alpha' }, 'hospital');
    assert.deepEqual(planned.kind === 'return' && planned.destination, { queue: 'hospital' });
  });

  test('one that does not say where it failed is left, with the mend', () => {
    for (const headers of [
      UNTOUCHED,
      { ...UNTOUCHED, [Header.failedQueue]: '' },
      { ...UNTOUCHED, [Header.failedQueue]: 'no good name' },
      undefined,
    ]) {
      const planned = plan(headers);
      assert.equal(planned.kind, 'leave');
      assert.ok(planned.kind === 'leave' && planned.reason === 'noSource' && planned.text.includes('--to'));
    }
  });

  test('one that failed because its headers could not be read goes back byte for byte', () => {
    const original = Buffer.from([0x7b, 0xff, 0xfe, 0x00]);
    const planned = plan({ [Header.failedQueue]: 'billing', [Header.undecodableHeaders]: original.toString('base64') });
    assert.ok(planned.kind === 'returnBytes');
    assert.deepEqual(Buffer.from(planned.headerBytes), original);
  });

  test('one whose headers cannot be read where it lies goes as it lies, with --to', () => {
    const planned = plan(undefined, 'hospital');
    assert.ok(planned.kind === 'returnBytes');
    assert.equal(Buffer.from(planned.headerBytes).toString(), 'stored bytes');
  });

  test('one that is damaged on disk stays', () => {
    const planned = plan({ ...UNTOUCHED, [Header.failedQueue]: 'billing' }, 'hospital', true);
    assert.ok(planned.kind === 'leave' && planned.reason === 'damaged');
  });

  test('headers stay without a prototype', () => {
    assert.equal(Object.getPrototypeOf(headersForReturn(headersOf(UNTOUCHED))), null);
  });
});
