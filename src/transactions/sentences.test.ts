import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ResourceUnavailable } from './errors.ts';
import {
  countWords,
  foundSentence,
  liveSentence,
  type PendingBranchFacts,
  type PendingFacts,
  pendingSentence,
  resourceSentence,
  spanWords,
} from './sentences.ts';

const BRANCH: PendingBranchFacts = {
  resource: 'orders',
  lastAnswer: 'connect ECONNREFUSED db1.example:5432',
  attempts: 12,
  nextTryMs: 8_000,
  isKnown: true,
};
const DECIDED: PendingFacts = {
  state: 'decided',
  due: undefined,
  decidedAgo: '3 min',
  fenced: [],
  branches: [BRANCH],
};
const FENCE = {
  resource: 'orders',
  sinceMs: 0,
  found: { generation: 'g', epoch: 9, opening: 'o' },
  wanted: { generation: 'g', epoch: 4 },
  sequenceMax: 77,
};

describe('what is said of transactions', () => {
  const pending: readonly [string, Partial<PendingFacts>, string][] = [
    [
      'a decided one: since when, what the database says, the next try, and where locks are held',
      {},
      "Commit was decided 3 min ago. 'orders': connect ECONNREFUSED db1.example:5432. Tried 12 times; next try in 8 s. Locks are held there until it is told.",
    ],
    [
      'a try that is about to begin',
      { branches: [{ ...BRANCH, attempts: 1, nextTryMs: 400 }] },
      "Commit was decided 3 min ago. 'orders': connect ECONNREFUSED db1.example:5432. Tried once; the next try is about to begin. Locks are held there until it is told.",
    ],
    [
      'one that was not asked yet',
      { branches: [{ ...BRANCH, attempts: 0, lastAnswer: undefined }] },
      "Commit was decided 3 min ago. 'orders' has not answered yet. Locks are held there until it is told.",
    ],
    [
      'a database that no endpoint lists',
      { branches: [{ ...BRANCH, isKnown: false }] },
      "Commit was decided 3 min ago. No endpoint that lists 'orders' is running: start one, and it is finished. Locks are held there until it is told.",
    ],
    [
      'only the branches that are open',
      {
        branches: [
          { ...BRANCH, resource: 'stock', proof: 'tag' },
          { ...BRANCH, attempts: 2, nextTryMs: undefined },
        ],
      },
      "Commit was decided 3 min ago. 'orders': connect ECONNREFUSED db1.example:5432. Tried 2 times; it is being tried now. Locks are held there until it is told.",
    ],
    [
      'all told, and fenced',
      { fenced: ['orders'], branches: [{ ...BRANCH, proof: 'tag' }] },
      "Every database has committed. 'orders' is fenced, so nothing is concluded until an operator accepts this store with 'forget'.",
    ],
    [
      'one in doubt',
      { state: 'inDoubt' },
      "Whether it committed is not known yet: the database's answer was lost or is awaited. Its message stays locked. 'orders': connect ECONNREFUSED db1.example:5432. Tried 12 times; next try in 8 s.",
    ],
    [
      'a heuristic outcome, with what to do',
      {
        state: 'heuristic',
        branches: [{ ...BRANCH, heuristic: { outcome: 'rolledBack', answer: 'status=aborted', atMs: 0 } }],
      },
      "Commit was decided 3 min ago, and 'orders' has another outcome (rolled back there: status=aborted). Put its data right by hand, then 'forget' this transaction: that releases what it sent.",
    ],
    [
      'an outcome that is not written down yet',
      { due: 'discard' },
      'Its outcome is known (rolled back) and could not be written to the store yet; that is tried again.',
    ],
    ['a store that stopped', { state: 'unknown' }, liveSentence('unknown')],
  ];
  for (const [rule, facts, expected] of pending) {
    test(rule, () => assert.equal(pendingSentence({ ...DECIDED, ...facts }), expected));
  }

  test('whose a found branch is, and that it holds locks', () => {
    const facts = { resources: ['orders'], owner: 'app', answer: undefined };
    assert.match(
      foundSentence('foreign', facts),
      /in 'orders' by app, and not by this queue manager: it is never touched/,
    );
    assert.match(foundSentence('fenced', facts), /this store knows nothing of.*'commit' or 'abort' it/);
    assert.match(
      foundSentence('aborting', { ...facts, answer: 'held by connection 15' }),
      /never decided.*rolled back in 'orders'\. Held by connection 15\. Locks are held there/,
    );
  });

  test('why a resource is not ready', () => {
    const trouble = new Error('connect ECONNREFUSED');
    assert.equal(resourceSentence('orders', 'ready', { trouble: undefined, fence: undefined }), undefined);
    assert.equal(resourceSentence('orders', 'unavailable', { trouble, fence: undefined }), 'connect ECONNREFUSED.');
    const unavailable = new ResourceUnavailable('orders', 'db1:5432/shop', 'connect ECONNREFUSED');
    assert.match(
      resourceSentence('orders', 'unavailable', { trouble: unavailable, fence: undefined }) ?? '',
      /^connect ECONNREFUSED\. See whether it runs/,
    );
    assert.match(
      resourceSentence('orders', 'fenced', { trouble: undefined, fence: FENCE }) ?? '',
      /^Epoch 9 stands there and this store wanted to write 4.*receive nothing until an operator accepts .*forget orders'/,
    );
    assert.match(resourceSentence('orders', 'absent', { trouble: undefined, fence: undefined }) ?? '', /start one/);
  });

  test('spans of time in the two units that matter', () => {
    for (const [ms, words] of [
      [-5, '0 s'],
      [8_000, '8 s'],
      [99_000, '99 s'],
      [100_000, '2 min'],
      [5_940_000, '99 min'],
      [7_500_000, '2 h 5 min'],
      [273_600_000, '3 d 4 h'],
    ] as const) {
      assert.equal(spanWords(ms), words);
    }
  });

  test('one and many', () => {
    assert.deepEqual(
      [countWords(1, 'message'), countWords(0, 'message'), countWords(2, 'branch', 'branches')],
      ['1 message', '0 messages', '2 branches'],
    );
  });
});
