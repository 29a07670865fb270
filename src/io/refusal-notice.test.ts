import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { NetworkFailure } from './network.ts';
import { readRefusalNotice, refusalNotice } from './refusal-notice.ts';

describe('the notice of a door that takes nobody in', () => {
  test('is read whole, and waited for when cut at any byte', () => {
    const notice = refusalNotice('CERTIFICATE_EXPIRED');
    for (let bytes = 0; bytes < notice.byteLength; bytes++)
      assert.equal(readRefusalNotice(notice.subarray(0, bytes), 'beta'), 'incomplete', `${bytes} bytes`);
    const failure = readRefusalNotice(notice, '10.0.0.2:1801');
    assert.ok(failure instanceof NetworkFailure);
    assert.equal(failure.code, 'CERTIFICATE_REFUSED');
    assert.equal(failure.message, "10.0.0.2:1801 refused this machine's certificate: it has expired.");
  });

  test('of words that nobody knows is a refusal without a reason, and its text is not repeated', () => {
    const failure = readRefusalNotice(Buffer.from('posthorn refused: \u001b[31mEVIL\n'), 'beta');
    assert.ok(failure instanceof NetworkFailure);
    assert.deepEqual([failure.code, failure.message], ['OTHER', 'beta refused the connection.']);
  });

  test('is nothing else: a frame, a long line', () => {
    for (const bytes of [
      Uint8Array.of(0, 0, 0, 40),
      Buffer.from('post'),
      Buffer.from(`posthorn refused: ${'x'.repeat(100)}`),
    ]) {
      const read = readRefusalNotice(bytes, 'beta');
      assert.equal(read, String(bytes) === 'post' ? 'incomplete' : undefined);
    }
  });
});
