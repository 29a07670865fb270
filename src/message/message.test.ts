import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatAddress, parseAddress } from './address.ts';
import { checkHeaders } from './check-headers.ts';
import { headersOf } from './headers.ts';
import { parseHeaders } from './parse-headers.ts';
import { nearestName } from './posthorn-error.ts';
import { formatTimeSpan, parseTimeSpan } from './time-span.ts';
import { formatTimestamp, parseTimestamp } from './timestamp.ts';

describe('addresses', () => {
  test('queue and queue@machine are read and written back', () => {
    for (const text of ['billing', 'billing.v2@alpha', 'a_b-c@host-1.example'])
      assert.equal(formatAddress(parseAddress(text)), text);
  });

  test('a wrong one is refused with the part that is wrong', () => {
    assert.throws(() => parseAddress(''), { code: 'INVALID_ADDRESS', message: /queue name is empty/ });
    assert.throws(() => parseAddress('a b'), /'a b' has a character that is not allowed/);
    assert.throws(() => parseAddress('a@'), /machine name is empty/);
    assert.throws(() => parseAddress('a@b@c'), /machine name 'b@c'/);
    assert.throws(() => parseAddress('../x'), { code: 'INVALID_ADDRESS' });
    assert.throws(() => parseAddress(`${'q'.repeat(125)}`), /125 characters, at most 124/);
  });
});

describe('headers from outside', () => {
  test('names that reach into prototypes are refused', () => {
    for (const name of ['__proto__', 'constructor', 'prototype']) {
      const headers = Object.create(null) as Record<string, string>;
      headers[name] = 'x';
      assert.throws(() => checkHeaders(headers), { code: 'INVALID_HEADER' });
    }
  });

  test('names with spaces, controls or other letters, and values that are not text, are refused', () => {
    for (const name of ['', 'a b', 'a\n', 'ä', 'a"b', 'x'.repeat(257)])
      assert.throws(() => checkHeaders({ [name]: 'v' }), { code: 'INVALID_HEADER' });
    assert.throws(() => checkHeaders({ a: 5 as unknown as string }), /its value is 5, and only text travels/);
    assert.doesNotThrow(() => checkHeaders({ '$.diagnostics.hostid': 'x', 'NServiceBus.MessageId': '' }));
  });

  test('stored bytes that are not an object of texts are not read', () => {
    for (const text of ['', '{', '[]', '"x"', 'null', '{"a":1}'])
      assert.equal(parseHeaders(Buffer.from(text)), undefined, text);
    assert.equal(
      parseHeaders(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x22, 0x22, 0x7d)),
      undefined,
      'broken UTF-8',
    );
  });

  test('what is read has no prototype, whatever its names', () => {
    const headers = parseHeaders(Buffer.from('{"__proto__":"x","a":"b"}'));
    assert.deepEqual([Object.getPrototypeOf(headers), headers?.a], [null, 'b']);
    assert.equal(Object.getPrototypeOf(headersOf({ a: 'b' })), null);
  });
});

describe('texts on the wire', () => {
  test('timestamps have NServiceBus’ form and are read back', () => {
    const wallMs = Date.UTC(2026, 10, 22, 3, 4, 5, 678);
    assert.equal(formatTimestamp(wallMs), '2026-11-22 03:04:05:678000 Z');
    assert.equal(parseTimestamp(formatTimestamp(wallMs)), wallMs);
    assert.equal(parseTimestamp('2026-11-22T03:04:05Z'), undefined);
  });

  test('time spans have .NET’s form and are read back', () => {
    assert.equal(formatTimeSpan(90_061_500), '1.01:01:01.5000000');
    for (const durationMs of [0, 1, 999, 60_000, 86_400_000, 90_061_500])
      assert.equal(parseTimeSpan(formatTimeSpan(durationMs)), durationMs);
    assert.equal(parseTimeSpan('soon'), undefined);
  });

  test('the nearest known name is found, and nothing when none is near', () => {
    assert.equal(nearestName('quues', ['peek', 'queues', 'purge']), 'queues');
    assert.equal(nearestName('zzz', ['peek', 'queues']), undefined);
    assert.equal(nearestName('dir', ['io', 'directory']), 'directory');
    assert.equal(nearestName('dir', ['io']), undefined);
  });
});
