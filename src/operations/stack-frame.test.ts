import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { firstOwnFrame, firstOwnPlace } from './stack-frame.ts';

function stackOf(...frames: readonly string[]): string {
  return ['TypeError: the bank cannot be reached', ...frames.map((frame) => `    at ${frame}`)].join('\n');
}

describe('the first own frame of a stack', () => {
  test('is the first that is neither of Node, nor of a dependency, nor of Posthorn', () => {
    const posthorn = fileURLToPath(new URL('../pipeline/behavior.ts', import.meta.url));
    const stack = stackOf(
      'node:internal/process/task_queues:95:5',
      'Socket.emit (node:events:520:28)',
      'post (file:///srv/shop/node_modules/got/index.js:10:3)',
      `run (file://${posthorn}:47:26)`,
      'async charge (file:///srv/shop/src/billing/charge.ts:24:11)',
      'other (file:///srv/shop/src/other.ts:1:1)',
    );
    assert.equal(firstOwnFrame(stack), 'charge (src/billing/charge.ts:24)');
  });

  test('is the same on machines with other directories, and in another column', () => {
    const here = firstOwnFrame(stackOf('charge (file:///srv/a/shop/src/billing.ts:24:11)'));
    const there = firstOwnFrame(stackOf('charge (/home/b/work/shop/src/billing.ts:24:2)'));
    assert.equal(here, there);
  });

  test('is read with and without a name, from Windows paths, and from constructors', () => {
    assert.equal(firstOwnFrame(stackOf('file:///srv/shop/billing.ts:18:14')), 'srv/shop/billing.ts:18');
    assert.equal(firstOwnFrame(stackOf('async file:///srv/shop/billing.ts:18:14')), 'srv/shop/billing.ts:18');
    assert.equal(firstOwnFrame(stackOf('new Bank (C:\\shop\\src\\bank.ts:3:1)')), 'new Bank (shop/src/bank.ts:3)');
  });

  test('has a place that says which file to open, and where', () => {
    const stack = stackOf('node:internal/process/task_queues:95:5', 'charge (file:///srv/a/shop/src/billing.ts:24:11)');
    assert.equal(firstOwnPlace(stack), '/srv/a/shop/src/billing.ts:24:11');
    assert.equal(firstOwnPlace(stackOf('node:internal/process/task_queues:95:5')), undefined);
  });

  test('is empty when there is none, whatever the text holds', () => {
    for (const stack of [
      '',
      'at',
      '    at ',
      stackOf('async Promise.all (index 0)'),
      stackOf('x'.repeat(5000)),
      '(((:1:1)',
    ]) {
      assert.equal(firstOwnFrame(stack), '', stack.slice(0, 40));
    }
  });
});
