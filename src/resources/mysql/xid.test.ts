import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatBranchQualifier, formatTransactionId } from '../../transactions/transaction-id.ts';
import { isSameBranch, readRecoverRow, xidLiteral } from './xid.ts';

const transaction = formatTransactionId({
  queueManager: 'a'.repeat(26),
  generation: 'b'.repeat(8),
  epoch: 3,
  sequence: 5,
});
const id = { transaction, qualifier: formatBranchQualifier('stock', 1) };

test('a branch of ours is read back from the bytes that it was written as', () => {
  const found = readRecoverRow(row(transaction, id.qualifier));
  assert.deepEqual(found.id, id);
  assert.equal(found.text, `${transaction}:${id.qualifier}`);
  assert.deepEqual(found.sql, { commit: `XA COMMIT ${xidLiteral(id)};`, rollback: `XA ROLLBACK ${xidLiteral(id)};` });
});

test('the format number does not make a branch ours, and not another’s', () => {
  assert.deepEqual(readRecoverRow({ ...row(transaction, id.qualifier), formatID: 7 }).id, id);
  assert.equal(readRecoverRow({ ...row('theirs', id.qualifier), formatID: 1 }).id, undefined);
});

test('a branch whose texts are not wholly ours is foreign, and shown ready to be typed', () => {
  for (const [global, branch, literal] of [
    [`${transaction}x`, id.qualifier, `'${transaction}x','${id.qualifier}',9`],
    [transaction, 'b', `'${transaction}','b',9`],
    [transaction.slice(1), id.qualifier, `'${transaction.slice(1)}','${id.qualifier}',9`],
    ["it's", 'b', "X'69742773','b',9"],
    ['a\\', 'b', "X'615c','b',9"],
    ['a\x00\xff', '', "X'6100ff','',9"],
  ] as const) {
    const found = readRecoverRow({ ...row(global, branch), formatID: 9 });
    assert.equal(found.id, undefined, literal);
    assert.equal(found.text, literal);
    assert.equal(found.sql.rollback, `XA ROLLBACK ${literal};`);
  }
});

test('where the one text ends and the other begins is told by their lengths', () => {
  const whole = transaction + id.qualifier;
  const found = readRecoverRow({ ...row(whole.slice(0, 58), whole.slice(58)) });
  assert.equal(found.id, undefined);
});

test('branches are the same when both texts are', () => {
  assert.equal(isSameBranch(id, { ...id }), true);
  assert.equal(isSameBranch(id, { ...id, qualifier: formatBranchQualifier('stock', 2) }), false);
  assert.equal(isSameBranch(id, undefined), false);
});

function row(global: string, branch: string) {
  return {
    formatID: 1,
    gtrid_length: global.length,
    bqual_length: branch.length,
    data: Buffer.from(global + branch, 'latin1'),
  };
}
