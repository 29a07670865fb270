import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AdmissionGate } from './admission-gate.ts';

/** A gate whose turns of the event loop are taken by hand. */
function setup(limits: { unitCountMax: number; byteCountMax: number }): { gate: AdmissionGate; endTurn: () => void } {
  const soon: (() => void)[] = [];
  const gate = new AdmissionGate((action) => soon.push(action), limits);
  const endTurn = (): void => {
    for (const action of soon.splice(0)) action();
  };
  return { gate, endTurn };
}

/** Resolves to the names of those who were let in, in order, once all promises have reacted. */
async function letIn(waiting: Record<string, Promise<void> | undefined>): Promise<string[]> {
  const names: string[] = [];
  for (const [name, promise] of Object.entries(waiting)) {
    if (promise === undefined) names.push(name);
    else void promise.then(() => names.push(name));
  }
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  return names;
}

describe('admission gate', () => {
  test('lets in as many as the limit says within one turn, before any of them has handed its unit over', () => {
    const { gate } = setup({ unitCountMax: 2, byteCountMax: 1000 });
    assert.equal(gate.wait(), undefined);
    assert.equal(gate.wait(), undefined);
    assert.notEqual(gate.wait(), undefined);
  });

  test('who was let in and handed nothing over takes no room after the turn', () => {
    const { gate, endTurn } = setup({ unitCountMax: 1, byteCountMax: 1000 });
    assert.equal(gate.wait(), undefined);
    endTurn();
    assert.equal(gate.wait(), undefined);
  });

  test('a newcomer waits behind those who wait', async () => {
    const { gate, endTurn } = setup({ unitCountMax: 2, byteCountMax: 1000 });
    gate.enter(10);
    gate.enter(10);
    const first = gate.wait();
    gate.leave(1, 10);
    const second = gate.wait();
    assert.deepEqual(await letIn({ first }), ['first']);
    gate.enter(10);
    endTurn();
    gate.leave(2, 20);
    assert.deepEqual(await letIn({ second }), ['second']);
  });

  test('bytes close the gate as units do, and one that is larger than the limit still gets through', async () => {
    const { gate, endTurn } = setup({ unitCountMax: 100, byteCountMax: 1000 });
    gate.enter(5000);
    const waiting = gate.wait();
    assert.notEqual(waiting, undefined);
    gate.leave(1, 5000);
    assert.deepEqual(await letIn({ waiting }), ['waiting']);
    endTurn();
  });

  test('waiters share promises, few enough that a promise never lets in more than fit', () => {
    const { gate } = setup({ unitCountMax: 1000, byteCountMax: 1000 });
    gate.enter(2000);
    const promises = new Set(Array.from({ length: 1_000_000 }, () => gate.wait()));
    assert.ok(promises.size < 10_000, `${promises.size} promises for a million waiters`);
    assert.ok(promises.size >= 1000, 'no promise is shared by more than the limit of units');
  });

  test('when it is opened for good, everyone gets in', async () => {
    const { gate } = setup({ unitCountMax: 1, byteCountMax: 1000 });
    gate.enter(1);
    const [first, second] = [gate.wait(), gate.wait()];
    gate.open();
    assert.deepEqual(await letIn({ first, second }), ['first', 'second']);
  });
});
