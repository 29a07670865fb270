import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ByteQueue } from './byte-queue.ts';

describe('bytes that wait', () => {
  test('come out in the order they came in, however they are pushed, settled and taken', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('append' as const), bytes: fc.integer({ min: 0, max: 12_000 }) }),
      fc.record({ kind: fc.constant('settle' as const), bytes: fc.integer({ min: 0, max: 10_000 }) }),
      fc.record({ kind: fc.constantFrom('copy', 'view', 'skip'), bytes: fc.integer({ min: 0, max: 9_000 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const queue = new ByteQueue();
        let put = 0;
        let taken = 0;
        const check = (bytes: Uint8Array): void => {
          for (const byte of bytes) assert.equal(byte, taken++ & 0xff);
        };
        for (const { kind, bytes } of steps) {
          const count = Math.min(bytes, queue.length);
          if (kind === 'append') queue.append(Uint8Array.from({ length: bytes }, () => put++ & 0xff));
          else if (kind === 'settle') queue.settle(bytes);
          else if (kind === 'copy') check(queue.takeCopy(count));
          else if (kind === 'view') check(queue.takeView(count));
          else {
            queue.skip(count);
            taken += count;
          }
          assert.equal(queue.length, put - taken);
          if (queue.length > 0) assert.equal(queue.byteAt(0), taken & 0xff);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('keep at most twice their own memory, whatever they were a part of', () => {
    for (const [left, isKept] of [
      [1, false],
      [5_000, false],
      [30_000, false],
      [40_000, true],
    ] as const) {
      const queue = new ByteQueue();
      queue.append(new Uint8Array(65_536));
      queue.skip(65_536 - left);
      queue.settle(0);
      assert.equal(queue.heldBytes === 65_536, isKept, `${left} bytes`);
      assert.ok(queue.heldBytes <= 2 * left, `${queue.heldBytes} bytes for ${left}`);
    }
  });

  test('leave nothing behind when all were taken', () => {
    const queue = new ByteQueue();
    for (let round = 0; round < 3; round++) {
      queue.append(new Uint8Array(100));
      queue.settle(1_000);
      queue.append(new Uint8Array(10_000));
      queue.skip(10_100);
      assert.deepEqual([queue.length, queue.heldBytes], [0, 0]);
    }
  });
});
