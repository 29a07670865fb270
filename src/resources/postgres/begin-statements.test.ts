import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTransactionId } from '../../transactions/transaction-id.ts';
import { beginStatements } from './begin-statements.ts';

const OURS = formatTransactionId({
  queueManager: 'a'.repeat(26),
  generation: 'b'.repeat(8),
  epoch: 1,
  sequence: 2 ** 53 - 1,
});

function textsFor(transaction: string): readonly string[] {
  const id = { transaction, qualifier: `${'a'.repeat(13)}.aa` };
  return beginStatements({ id, isolationLevel: 'read committed' }).map(({ text }) => text);
}

test('an id stands in the text as it is', () => {
  assert.deepEqual(textsFor(OURS), [
    'begin isolation level read committed read write',
    `set local posthorn.transaction = '${OURS}'`,
  ]);
});

test('nothing but an id of ours comes into the text', () => {
  for (const wrong of ['', "'", `${OURS}'`, `${OURS.slice(0, -1)}'`, `${OURS.slice(0, -1)}\\`, `${OURS}\n`])
    assert.throws(() => textsFor(wrong), { code: 'INVARIANT_BROKEN' }, wrong);
});
