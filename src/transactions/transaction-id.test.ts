import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  formatBranchId,
  formatBranchQualifier,
  formatTransactionId,
  generationField,
  isBranchQualifier,
  parseBranchId,
  parseTransactionId,
  queueManagerField,
  TRANSACTION_ID_LENGTH,
} from './transaction-id.ts';

const ids = fc.record(
  {
    queueManager: fc.uuid().map(queueManagerField),
    generation: fc.uuid().map(generationField),
    epoch: fc.integer({ min: 0, max: 2 ** 30 - 1 }),
    sequence: fc.maxSafeNat(),
  },
  { noNullPrototype: true },
);

describe('names of transactions and branches', () => {
  test('a name is 59 characters, and parses to what it was made from', () => {
    fc.assert(
      fc.property(ids, (id) => {
        const text = formatTransactionId(id);
        assert.equal(text.length, TRANSACTION_ID_LENGTH);
        assert.deepEqual(parseTransactionId(text), id);
      }),
    );
  });

  test('a branch of one queue manager is never read as one of another, whatever prefix they share', () => {
    fc.assert(
      fc.property(ids, ids, fc.nat(26), (id, other, sharedLength) => {
        const queueManager = id.queueManager.slice(0, sharedLength) + other.queueManager.slice(sharedLength);
        const text = formatTransactionId({ ...other, queueManager });
        assert.equal(parseTransactionId(text)?.queueManager === id.queueManager, queueManager === id.queueManager);
      }),
    );
  });

  test('nothing that is longer, shorter or written otherwise is one of ours', () => {
    fc.assert(
      fc.property(ids, fc.nat(58), fc.string({ minLength: 1, maxLength: 3 }), (id, at, extra) => {
        const text = formatTransactionId(id);
        assert.equal(parseTransactionId(text.slice(0, at)), undefined);
        assert.equal(parseTransactionId(text + extra), undefined);
        assert.equal(parseTransactionId(extra + text), undefined);
        assert.equal(parseTransactionId(text.toUpperCase()), undefined);
      }),
    );
  });

  test('a branch id holds its transaction and its qualifier, and parses whole or not at all', () => {
    fc.assert(
      fc.property(ids, fc.string(), fc.nat(1023), (id, resource, ordinal) => {
        const branch = { transaction: formatTransactionId(id), qualifier: formatBranchQualifier(resource, ordinal) };
        assert.ok(isBranchQualifier(branch.qualifier));
        const text = formatBranchId(branch);
        assert.equal(text.length, 76);
        assert.deepEqual(parseBranchId(text), branch);
        assert.equal(parseBranchId(`${text}x`), undefined);
        assert.equal(parseBranchId(text.slice(1)), undefined);
      }),
    );
  });

  test('what others prepare is foreign', () => {
    for (const text of [
      '',
      ':',
      'P1',
      'by hand',
      'P1.a.b.c.d:e',
      'B1.aaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaa.aaaaaa.aaaaaaaaaaaaa:a',
    ]) {
      assert.equal(parseBranchId(text), undefined, text);
    }
  });
});
