import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ReturnOperation } from '../operations/return-operation.ts';
import { printOperation } from './return-operations.ts';
import type { VerbContext } from './verb.ts';

const OPERATION: ReturnOperation = {
  id: 'r1',
  state: 'finished',
  errorQueue: 'error',
  to: undefined,
  filter: {},
  sequenceMax: 9,
  cursor: 9,
  total: 3,
  lookedAt: 3,
  returned: 2,
  left: {},
  leftExamples: [],
  startedMs: 0,
  updatedMs: 0,
};

describe('what a return did', () => {
  test('is told of one message as of one, and of several as of several', () => {
    assert.deepEqual(linesOf({ ...OPERATION, returned: 1, left: { noSource: 1, refused: 2 } }), [
      "Returned 1 message from 'error' to where it failed.",
      "Left 3 messages in 'error':",
      '  1 does not say where it failed; name a queue with --to',
      '  2 were refused by the queue they belong to',
    ]);
    assert.deepEqual(linesOf({ ...OPERATION, errorQueue: 'dead-letter' }), [
      "Returned 2 messages from 'dead-letter' to the queues they were meant for.",
    ]);
  });

  test('and how to go on stands on a line of its own', () => {
    assert.equal(linesOf({ ...OPERATION, state: 'running' }).at(-1), '  posthorn return-to-source --resume r1');
  });
});

function linesOf(operation: ReturnOperation): readonly string[] {
  const lines: string[] = [];
  const terminal = { print: (line: string) => void lines.push(line) };
  printOperation({ terminal } as VerbContext, operation, {});
  return lines;
}
