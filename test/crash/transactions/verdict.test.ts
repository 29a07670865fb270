import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { DatabaseContents } from './databases.ts';
import { type Ending, findFaults } from './verdict.ts';

const clean: DatabaseContents = { numbers: [1, 2], prepared: [], abortRows: 0 };

function ending(changes: Partial<Ending> = {}): Ending {
  const databases = new Map([['postgres', clean]]);
  return { sent: [1, 2], output: [2, 1], input: [], failed: [], records: [], databases, ...changes };
}

function withDatabase(changes: Partial<DatabaseContents>): Ending {
  return ending({ databases: new Map([['postgres', { ...clean, ...changes }]]) });
}

describe('the verdict over queues and databases', () => {
  test('parts that agree by number have no fault, in whatever order', () => {
    assert.deepEqual(findFaults(ending()), []);
  });

  test('each disagreement is named with its numbers', () => {
    assert.deepEqual(findFaults(ending({ output: [1] })), ['not sent on: 2']);
    assert.deepEqual(findFaults(ending({ output: [1, 2, 2] })), ['sent on twice: 2']);
    assert.deepEqual(findFaults(ending({ input: [7] })), ['still in the input queue: 7']);
    assert.deepEqual(findFaults(ending({ failed: [7] })), ['in the error queue: 7']);
    assert.deepEqual(findFaults(ending({ records: ['transaction/x'] })), ['not settled: transaction/x']);
    assert.deepEqual(findFaults(withDatabase({ numbers: [1] })), ['not in postgres: 2']);
    assert.deepEqual(findFaults(withDatabase({ numbers: [1, 1, 2] })), ['twice in postgres: 1']);
    assert.deepEqual(findFaults(withDatabase({ numbers: [1, 2, 3] })), ['never sent, but in postgres: 3']);
    assert.deepEqual(findFaults(withDatabase({ prepared: ['P1…'] })), ['prepared in postgres: P1…']);
    assert.deepEqual(findFaults(withDatabase({ abortRows: 1 })), ['abort rows in postgres: 1']);
  });
});
