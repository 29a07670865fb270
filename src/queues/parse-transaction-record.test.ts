import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TransactionRecord } from '../transactions/transaction-record.ts';
import { parseTransactionRecord } from './parse-transaction-record.ts';

const RECORD: TransactionRecord = {
  id: 'P1.x',
  protocol: 'marker',
  state: 'staged',
  endpoint: 'sales',
  messageId: 'm',
  messageType: 'Order',
  startedMs: 1,
  writtenMs: 2,
  parts: [
    { kind: 'input', queue: 'sales', position: 2 ** 48 - 1 },
    { kind: 'state', key: 'subscription/x', value: '' },
    { kind: 'state', key: 'subscription/y' },
  ],
  sends: [
    { position: 0, queue: 'billing', priority: 7, isDelayed: false, byteCount: 0 },
    { position: 7, queue: 'billing@beta', priority: 0, isDelayed: true, deadlineMs: 9, byteCount: 100 },
  ],
  branches: [{ resource: 'orders', qualifier: 'a.b', session: '1', transactionNumber: '5' }],
};

function parse(record: unknown, id = 'P1.x'): TransactionRecord | undefined {
  return parseTransactionRecord(`transaction/${id}`, JSON.stringify(record));
}

describe('the record of a transaction', () => {
  test('is read back as it was written, with fields of a later version', () => {
    assert.deepEqual(parse(RECORD), RECORD);
    assert.deepEqual(parse({ ...RECORD, state: 'decided', protocol: 'twoPhase', later: [1] })?.state, 'decided');
    assert.deepEqual(parse({ ...RECORD, parts: [], sends: [], branches: [] })?.parts, []);
  });

  test('is refused when it stands under another id, is cut off, or is no object', () => {
    assert.equal(parse(RECORD, 'P1.y'), undefined);
    assert.equal(parseTransactionRecord('transaction/P1.x', JSON.stringify(RECORD).slice(0, -1)), undefined);
    for (const other of [null, 'text', 7, []]) assert.equal(parse(other), undefined);
  });

  const [input] = RECORD.parts;
  const [send] = RECORD.sends;
  const [branch] = RECORD.branches;
  for (const [what, change] of Object.entries({
    'no state that we know': { state: 'half' },
    'no protocol that we know': { protocol: 'three-phase' },
    'no endpoint': { endpoint: undefined },
    'no time': { writtenMs: null },
    'no parts': { parts: undefined },
    'a part of a kind that we do not know': { parts: [{ kind: 'timer' }] },
    'a part that is no object': { parts: [null] },
    'an input without a position': { parts: [{ ...input, position: undefined }] },
    'an input at a position that no store has': { parts: [{ ...input, position: 2 ** 48 }] },
    'a send without a queue': { sends: [{ ...send, queue: '' }] },
    'a send of a priority that there is not': { sends: [{ ...send, priority: 8 }] },
    'a send with a deadline that is no number': { sends: [{ ...send, deadlineMs: '9' }] },
    'a send of a negative size': { sends: [{ ...send, byteCount: -1 }] },
    'a branch without a resource': { branches: [{ ...branch, resource: undefined }] },
  })) {
    test(`is refused with ${what}`, () => assert.equal(parse({ ...RECORD, ...change }), undefined));
  }
});
