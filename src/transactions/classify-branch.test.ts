import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type BranchClass, classifyBranch, type Known } from './classify-branch.ts';
import { type BranchId, formatBranchQualifier, formatTransactionId, type TransactionId } from './transaction-id.ts';

const US: TransactionId = { queueManager: 'q'.repeat(26), generation: 'g'.repeat(8), epoch: 5, sequence: 1 };

function branch(changes: Partial<TransactionId> = {}, resource = 'orders'): BranchId {
  return { transaction: formatTransactionId({ ...US, ...changes }), qualifier: formatBranchQualifier(resource, 0) };
}

function known(changes: Partial<Known> = {}): Known {
  return {
    ...US,
    resource: 'orders',
    otherResources: ['stock'],
    isResourceFenced: false,
    standingOf: () => 'none',
    ...changes,
  };
}

const OTHER_GENERATION = 'h'.repeat(8);

describe('what a prepared branch is to us', () => {
  const cases: readonly [string, BranchId | undefined, Known, BranchClass][] = [
    ['another form is foreign', undefined, known(), 'foreign'],
    ['another queue manager is foreign', branch({ queueManager: 'r'.repeat(26) }), known(), 'foreign'],
    [
      'one whose name differs in its last character alone is foreign',
      branch({ queueManager: `${'q'.repeat(25)}r` }),
      known({ standingOf: () => 'decided' }),
      'foreign',
    ],
    ['another resource of ours on that server is left to its own round', branch({}, 'stock'), known(), 'elsewhere'],
    ['a resource that nobody uses any more is looked after here', branch({ epoch: 4 }, 'gone'), known(), 'orphaned'],
    ['a live transaction is left alone', branch(), known({ standingOf: () => 'live' }), 'live'],
    ['a decided one is committed', branch({ epoch: 4 }), known({ standingOf: () => 'decided' }), 'decided'],
    [
      'a decision wins over another generation, a later epoch and a fence',
      branch({ generation: OTHER_GENERATION, epoch: 9 }),
      known({ isResourceFenced: true, standingOf: () => 'decided' }),
      'decided',
    ],
    [
      'one that its own decision does not name is for a person',
      branch({ epoch: 4 }),
      known({ standingOf: () => 'contradicted' }),
      'fenced',
    ],
    ['another generation is fenced', branch({ generation: OTHER_GENERATION }), known(), 'fenced'],
    ['a later epoch is fenced', branch({ epoch: 6 }), known(), 'fenced'],
    ['nothing is presumed on a fenced resource', branch({ epoch: 4 }), known({ isResourceFenced: true }), 'fenced'],
    ['an earlier epoch without a decision is an orphan', branch({ epoch: 4 }), known(), 'orphaned'],
    ['this epoch, and nobody knows it', branch(), known(), 'stray'],
  ];
  for (const [rule, id, knowledge, expected] of cases) {
    test(rule, () => assert.equal(classifyBranch(id, knowledge), expected));
  }
});
