import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { branchView, resourceView, transactionId, transactionView } from '../../test/support/fake-transactions.ts';
import type { ResourceView, TransactionView } from '../transactions/transaction-view.ts';
import type { Terminal } from './terminal.ts';
import { formatResourceStory, formatTransactionStory, resourceJson, transactionJson } from './transaction-story.ts';
import { isResourceAlarming, isTransactionAlarming } from './transactions-alarm.ts';
import { formatTransactions, type TransactionsSeen } from './transactions-view.ts';

const NOW_MS = Date.UTC(2026, 2, 1, 12, 0, 0);
const WAITING = transactionView(7, {
  ageMs: 184_000,
  branches: [
    branchView('orders', { state: 'committed', proof: 'COMMIT PREPARED was answered', sql: undefined }),
    branchView('stock', { lastAnswer: 'connect ECONNREFUSED 10.1.2.3:3306', attempts: 12, nextTryMs: 8000 }),
  ],
  heldSends: [
    { queue: 'billing', messages: 2 },
    { queue: 'mail@beta', messages: 1 },
  ],
  sentence: 'Commit was decided; stock cannot be reached. Locks are held there.',
});
const FENCED: ResourceView = resourceView('orders', {
  state: 'fenced',
  sinceMs: NOW_MS - 2_700_000,
  sentence: 'Its witness row is of epoch 9, and this store is of epoch 4: this store went back in time.',
  mayBeHandledUpTo: 200,
  endpoints: ['sales', 'billing'],
});
const HANDLED = {
  queues: [
    { queue: 'sales', messages: 150 },
    { queue: 'billing', messages: 3 },
  ],
  first: [
    { queue: 'sales', id: 'order-1', kind: 'queue' as const },
    { queue: 'sales', id: 'order-2', kind: 'delayed' as const },
  ],
  isComplete: true,
};

describe('the list of transactions', () => {
  test('shows for each one that lasts its databases with their last answer and next try, why, and what it holds', () => {
    assert.deepEqual(linesOf({ resources: [], transactions: [WAITING] }, undefined), [
      `ID${' '.repeat(59)}AGE  STATE       ENDPOINT  MESSAGE    DATABASES      HELD`,
      `${transactionId(7)}   3m  committing  sales     message-7  orders, stock     3`,
      '    orders: committed',
      '    stock: prepared, 12 tries, next in 8s: connect ECONNREFUSED 10.1.2.3:3306',
      '    Commit was decided; stock cannot be reached. Locks are held there.',
      "    Held until then: 2 messages for 'billing', 1 message for 'mail@beta'.",
    ]);
  });

  test('does not tell twice what the sentence tells of a database', () => {
    const sentence = "Commit was decided. 'stock': connect ECONNREFUSED 10.1.2.3:3306. 12th try.";
    const lines = linesOf({ resources: [], transactions: [{ ...WAITING, sentence }] }, undefined);
    assert.deepEqual(lines.slice(2, 5), ['    orders: committed', '    stock: prepared', `    ${sentence}`]);
  });

  test('is one line for what comes and goes by itself', () => {
    const active = transactionView(1, { state: 'active', branches: [branchView('orders', { state: 'working' })] });
    assert.equal(linesOf({ resources: [], transactions: [active, { ...active, state: 'preparing' }] }, 80).length, 3);
  });

  test('has fenced databases above it: why, since when, what may have been handled already, and what can be done', () => {
    const down = resourceView('stock', {
      state: 'unavailable',
      sinceMs: NOW_MS - 30_000,
      sentence: 'It cannot be reached.',
    });
    const ready = resourceView('audit');
    const resources = [down, FENCED, ready].map((resource) => ({
      resource,
      mayBeHandled: resource === FENCED ? HANDLED : undefined,
    }));
    const lines = linesOf({ resources, transactions: [] }, undefined);
    assert.deepEqual(lines.slice(0, 4), [
      'orders: FENCED since 2026-03-01 11:15:00 UTC (45m); postgres, shop on db1:5432 as app',
      `    ${FENCED.sentence}`,
      "    153 messages may have been handled already: 150 in 'sales', 3 in 'billing'.",
      '    Receiving nothing meanwhile: sales, billing.',
    ]);
    assert.equal(lines[4], '    Which they are: posthorn transactions show orders.');
    assert.match(lines[5] ?? '', /queues create handled-before.* posthorn transactions forget orders --reason TEXT$/);
    assert.deepEqual(lines.slice(6), [
      '',
      'stock: unavailable since 2026-03-01 11:59:30 UTC (30s); postgres, shop on db1:5432 as app',
      '    It cannot be reached.',
      '',
      'No transaction is open or waits for a database.',
    ]);
  });

  test('names no messages of a fenced database where none was found, and is not sure that there are none', () => {
    const mayBeHandled = { queues: [], first: [], isComplete: true };
    const text = linesOf({ resources: [{ resource: FENCED, mayBeHandled }], transactions: [] }, undefined).join('\n');
    assert.match(text, /No message was found that may have been handled already: .*not known here/);
    assert.doesNotMatch(text, /Which they are|posthorn move/);
  });

  test('lists foreign branches as what they are', () => {
    const foreign = transactionView(2, {
      id: "another program's branch",
      state: 'foreign',
      endpoint: undefined,
      messageId: undefined,
      branches: [branchView('orders')],
      sentence: 'Another program made it; Posthorn never touches it.',
    });
    const text = linesOf({ resources: [], transactions: [foreign] }, undefined).join('\n');
    assert.match(text, /^another program's branch +5s +foreign +orders +0$/m);
    assert.match(text, /never touches it/);
  });

  test('keeps within 80 and 120 columns, shows the end of an id, and texts of a database are harmless', () => {
    const wild = `${'word '.repeat(50)}${'x'.repeat(200)}\u001b[2J`;
    const transaction = {
      ...WAITING,
      sentence: wild,
      branches: [branchView('stock', { lastAnswer: wild, attempts: 1 })],
    };
    const resources = [{ resource: { ...FENCED, sentence: wild }, mayBeHandled: HANDLED }];
    for (const columns of [80, 120]) {
      const lines = linesOf({ resources, transactions: [transaction] }, columns);
      for (const line of lines) {
        assert.ok(line.length <= columns, `${line.length} at ${columns}: ${line}`);
        assert.ok(!line.includes('\u001b'));
      }
      const row = lines.find((line) => line.includes(' committing '));
      assert.match(row ?? '', columns === 80 ? /^…[a-z.]*aaaah / : /^P1\.[a-z.]*aaaah /, 'sequence 7 is an h');
    }
  });
});

describe('the story of a transaction', () => {
  test('names protocol and reason, its databases, what is held, and the SQL of the end that is decided alone', () => {
    const text = storyOf(WAITING, undefined);
    assert.match(text, /^Protocol +two-phase commit: 2 databases prepared, and the decision is kept here$/m);
    assert.match(text, /^Message +message-7, Sales\.PlaceOrder$/m);
    assert.match(text, /^Held sends +2 messages for 'billing', 1 message for 'mail@beta'$/m);
    assert.match(
      text,
      /^Database +stock, prepared\nBranch .*\nLast answer +connect ECONNREFUSED .*\nTries +12 tries, next in 8s$/m,
    );
    assert.match(text, /^The same by hand\n {2}stock: COMMIT PREPARED '.*';$/m);
    assert.match(text, new RegExp(`^What you can do\n {2}posthorn transactions retry ${transactionId(7)}$`, 'm'));
    assert.doesNotMatch(text, /ROLLBACK/, 'to roll back what is decided would tear it apart');
  });

  test('offers both ends while nothing is decided, and none of what a database has ended', () => {
    const fenced = storyOf(transactionView(1, { state: 'fenced', branches: [branchView('orders')] }), 80);
    for (const action of ['commit', 'abort']) {
      const command = `  posthorn transactions ${action} ${transactionId(1)} --reason TEXT`;
      assert.ok(fenced.split('\n').includes(command), 'whole, to be copied');
    }
    assert.match(fenced, /orders: COMMIT PREPARED .*\n {2}orders: ROLLBACK PREPARED /);
    const over = branchView('orders', { heuristic: { outcome: 'rolledBack', answer: '42704', atMs: NOW_MS - 1000 } });
    const heuristic = storyOf(
      transactionView(1, { state: 'heuristic', branches: [{ ...over, state: 'heuristic' }] }),
      undefined,
    );
    assert.match(heuristic, /^Outcome +was rolled back there: 42704$/m);
    assert.doesNotMatch(heuristic, /by hand/);
  });

  test('never breaks a statement that is there to be copied', () => {
    for (const columns of [40, 80]) assert.match(storyOf(WAITING, columns), /^ {2}stock: COMMIT PREPARED '.{76}';$/m);
  });

  test('keeps what operators did, with who and why', () => {
    const action = {
      atMs: NOW_MS - 60_000,
      by: 'anna',
      action: 'retry',
      transaction: transactionId(7),
      reason: 'ticket 4711',
      before: 'committing',
      after: 'committing',
    } as const;
    const text = storyOf({ ...WAITING, actions: [action] }, 120);
    assert.match(text, /^1m ago +anna +retry +committing to committing +ticket 4711$/m);
    assert.deepEqual(transactionJson({ ...WAITING, actions: [action] }).actions[0]?.at, '2026-03-01T11:59:00.000Z');
  });

  test('offers nothing that needs a queue manager while none runs', () => {
    const stopped = { nowMs: NOW_MS, isRunning: false };
    const text = formatTransactionStory(terminalOf(undefined), WAITING, stopped);
    assert.doesNotMatch(text, /transactions retry/);
    assert.match(text, /No queue manager runs here. Start an endpoint/);
    const heuristic = { ...WAITING, state: 'heuristic' as const };
    assert.match(formatTransactionStory(terminalOf(undefined), heuristic, stopped), /transactions forget/);
  });

  test('of a fenced database lists the messages that may have been handled already, and says how many more', () => {
    const text = formatResourceStory(terminalOf(undefined), { resource: FENCED, mayBeHandled: HANDLED }, NOW_MS);
    assert.match(text, /^Since +2026-03-01 11:15:00 UTC, 45m$/m);
    assert.match(text, /^What to do +Take those that were handled out: .* posthorn transactions forget orders /m);
    assert.match(text, /\nQUEUE +MESSAGE *\nsales +order-1 *\nsales +order-2 +--delayed\n… and 151 more$/);
    const unknown = { ...HANDLED, isComplete: false };
    assert.match(
      formatResourceStory(terminalOf(undefined), { resource: FENCED, mayBeHandled: unknown }, NOW_MS),
      /At least 153 messages/,
    );
    assert.equal(resourceJson({ resource: FENCED, mayBeHandled: HANDLED }).since, '2026-03-01T11:15:00.000Z');
  });
});

describe('an alarm', () => {
  test('is a heuristic outcome or a fence at once, and a transaction that is not settled after a while', () => {
    const ringing = (state: TransactionView['state'], ageMs: number): boolean =>
      isTransactionAlarming(transactionView(1, { state, ageMs }), 60_000);
    for (const state of ['heuristic', 'fenced'] as const) assert.ok(ringing(state, 0), state);
    for (const state of ['inDoubt', 'committing', 'aborting'] as const) {
      assert.deepEqual([ringing(state, 60_000), ringing(state, 60_001)], [false, true], state);
    }
    for (const state of ['active', 'preparing', 'foreign'] as const) assert.ok(!ringing(state, 86_400_000), state);
  });

  test('is a database that is fenced or unfit, or that cannot be reached for a while', () => {
    const ringing = (given: Partial<ResourceView>): boolean =>
      isResourceAlarming(resourceView('orders', given), 60_000, NOW_MS);
    assert.ok(ringing({ state: 'fenced' }) && ringing({ state: 'unfit' }));
    assert.ok(!ringing({ state: 'unavailable', sinceMs: NOW_MS - 60_000 }));
    assert.ok(ringing({ state: 'unavailable', sinceMs: NOW_MS - 60_001 }));
    for (const state of ['ready', 'absent', 'stopped'] as const) assert.ok(!ringing({ state, sinceMs: 0 }), state);
  });
});

function linesOf(seen: TransactionsSeen, columns: number | undefined): string[] {
  return formatTransactions(terminalOf(columns), seen, NOW_MS).split('\n');
}

function storyOf(transaction: TransactionView, columns: number | undefined): string {
  return formatTransactionStory(terminalOf(columns), transaction, { nowMs: NOW_MS, isRunning: true });
}

function terminalOf(columns: number | undefined): Terminal {
  const plain = (text: string): string => text;
  // What a view needs of a terminal: its width, and letters.
  return { columns, bold: plain, dim: plain } as Partial<Terminal> as Terminal;
}
