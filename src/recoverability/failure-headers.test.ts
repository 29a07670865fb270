import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Header, type Headers } from '../message/headers.ts';
import { FAILURE_HEADER_BYTES_RESERVED, MESSAGE_HEADER_BYTES_MAX } from '../message/limits.ts';
import { exceptionHeaders, typeNameOf } from './exception-headers.ts';
import {
  delayedRetryHeaders,
  type FailureRecord,
  failureHeaders,
  headerBytesOf,
  retryCountsOf,
} from './failure-headers.ts';

const BYTES_MAX = MESSAGE_HEADER_BYTES_MAX + FAILURE_HEADER_BYTES_RESERVED;

function recordOf(changes: Partial<FailureRecord> = {}): FailureRecord {
  return {
    error: new Error('boom'),
    reason: 'HandlerFailed',
    failedQueue: 'sales@alpha',
    failedAtMs: Date.UTC(2030, 0, 1),
    endpoint: 'sales',
    machine: 'alpha',
    hostId: 'host',
    attempts: 24,
    deaths: 0,
    messageId: 'm1',
    originalHeaders: { [Header.messageId]: 'm1', Tenant: '7' },
    originalHeaderBytes: new Uint8Array(),
    ...changes,
  };
}

/** Headers whose JSON has exactly so many bytes. */
function headersOfSize(bytes: number): Headers {
  const headers = { [Header.messageId]: 'm1', Filler: '' };
  return { ...headers, Filler: 'x'.repeat(bytes - headerBytesOf(headers)) };
}

describe('failure headers', () => {
  test('what an earlier failure left is replaced, not added to', () => {
    const first = failureHeaders(recordOf({ error: Object.assign(new Error('one'), { code: 'ONE' }), deaths: 2 }));
    const second = failureHeaders(recordOf({ error: new RangeError('two'), originalHeaders: first }));
    assert.equal(second[Header.exceptionMessage], 'two');
    assert.equal(second[`${Header.exceptionData}code`], undefined);
    assert.equal(second[Header.deaths], undefined);
    assert.equal(second.Tenant, '7');
    assert.equal(Object.keys(second).length, new Set(Object.keys(second)).size);
  });

  test('they fit for every size of the message’s own headers up to what can be stored, and the failure is always told', () => {
    const error = new Error('ü'.repeat(20_000));
    error.stack = 'ü'.repeat(100_000);
    for (const bytes of [100, 30_000, MESSAGE_HEADER_BYTES_MAX, 100_000, 120_000, BYTES_MAX - 1_000, BYTES_MAX]) {
      const headers = failureHeaders(recordOf({ error, originalHeaders: headersOfSize(bytes) }));
      assert.ok(headerBytesOf(headers) <= BYTES_MAX, `${bytes} bytes became ${headerBytesOf(headers)}`);
      assert.equal(headers[Header.failedQueue], 'sales@alpha');
      assert.equal(headers[Header.exceptionType], 'Error');
      assert.equal(headers[Header.messageId], 'm1');
    }
  });

  test('the message’s own headers are the last to go', () => {
    const error = new Error('x'.repeat(16_384));
    error.stack = 'ü'.repeat(12_288);
    const kept = failureHeaders(recordOf({ error, originalHeaders: headersOfSize(100_000) }));
    assert.ok(kept.Filler);
    assert.equal(kept[Header.exceptionStackTrace], undefined);
    assert.ok(kept[Header.exceptionMessage]);
  });

  test('header bytes that cannot be read go along in base64, cut when they are too many', () => {
    for (const bytes of [0, 10, 50_000, BYTES_MAX]) {
      const originalHeaderBytes = new Uint8Array(bytes).fill(0xff);
      const headers = failureHeaders(recordOf({ originalHeaders: undefined, originalHeaderBytes }));
      assert.ok(headerBytesOf(headers) <= BYTES_MAX);
      const kept = Buffer.from(headers[Header.undecodableHeaders] ?? '', 'base64');
      assert.ok(kept.equals(originalHeaderBytes.subarray(0, kept.length)));
      if (bytes <= 50_000) assert.equal(kept.length, bytes);
    }
  });

  test('counters go from one round to the next, and anything but a count reads as none', () => {
    const counts = { delayedRetries: 2, attempts: 12, deaths: 1 };
    const headers = delayedRetryHeaders({ Tenant: '7' }, counts, 0);
    assert.deepEqual(retryCountsOf(headers), counts);
    assert.equal(headers[Header.delayedRetriesTimestamp], '1970-01-01 00:00:00:000000 Z');
    for (const text of ['-1', '1.5', 'x', '', '1e3', '99999999999', ' 1']) {
      assert.equal(retryCountsOf({ [Header.delayedRetries]: text }).delayedRetries, 0, text);
    }
    assert.deepEqual(retryCountsOf(undefined), { delayedRetries: 0, attempts: 0, deaths: 0 });
  });
});

describe('exception headers', () => {
  test('the type is the name that somebody gave the error, else that of its class', () => {
    class PlainSubclass extends Error {}
    class Named extends Error {
      override name = 'GivenName';
    }
    assert.equal(typeNameOf(new PlainSubclass()), 'PlainSubclass');
    assert.equal(typeNameOf(new Named()), 'GivenName');
    assert.equal(typeNameOf(new TypeError()), 'TypeError');
  });

  test('only plain values of the error’s own come along, never what looks like a secret', () => {
    const error = Object.assign(new Error('x'), {
      code: 'E1',
      status: 503,
      isRetryable: true,
      password: 'canary',
      apiKey: 'canary',
      authorization: 'canary',
      connectionString: 'canary',
      request: { headers: { cookie: 'canary' } },
      'bad name': 'x',
      long: 'y'.repeat(5_000),
    });
    const headers = exceptionHeaders(error);
    const data = Object.keys(headers).filter((name) => name.startsWith(Header.exceptionData));
    assert.deepEqual(data.map((name) => name.slice(Header.exceptionData.length)).sort(), [
      'code',
      'isRetryable',
      'long',
      'status',
    ]);
    assert.equal(headers[`${Header.exceptionData}long`]?.length, 1024);
    assert.doesNotMatch(JSON.stringify(headers), /canary/);
  });

  test('causes are told one after the other, also when they go round in circles', () => {
    const error = new Error('outer', { cause: new Error('inner') });
    assert.match(exceptionHeaders(error)[Header.exceptionStackTrace] ?? '', /Error: outer.*\nCaused by: Error: inner/s);
    const circle = new Error('circle');
    circle.cause = circle;
    assert.ok(exceptionHeaders(circle)[Header.exceptionStackTrace]);
  });

  test('the source is the first frame of one’s own code', () => {
    const error = new Error('x');
    error.stack = [
      'Error: x',
      '    at node:internal/process/task_queues:105:5',
      '    at query (/app/node_modules/pg/lib/client.js:1:1)',
      '    at placeOrder (/app/sales.ts:12:9)',
      '    at other (/app/other.ts:1:1)',
    ].join('\n');
    assert.equal(exceptionHeaders(error)[Header.exceptionSource], 'placeOrder (/app/sales.ts:12:9)');
  });

  test('an error whose fields are not what they should be is told all the same', () => {
    const error = Object.assign(new Error('x'), { name: 7, message: { not: 'text' }, stack: undefined });
    const headers = exceptionHeaders(error as unknown as Error);
    for (const value of Object.values(headers)) assert.equal(typeof value, 'string');
  });

  test('a text that is cut inside a character stays well formed', () => {
    const headers = exceptionHeaders(new Error('😀'.repeat(10_000)));
    assert.ok(headers[Header.exceptionMessage]?.isWellFormed());
  });
});
