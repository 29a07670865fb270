import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { StartGate } from './start-gate.ts';

function setup() {
  const calls = { opened: 0 };
  return { calls, gate: new StartGate(() => calls.opened++) };
}

describe('the start gate', () => {
  test('messages without deaths start side by side', () => {
    const { gate } = setup();
    assert.equal(gate.tryStart(), true);
    assert.equal(gate.tryStart(), true);
  });

  test('a suspect starts only when nothing runs, and holds up what comes after it', () => {
    const { gate, calls } = setup();
    gate.tryStart();
    assert.equal(
      gate.tryStartSuspect(() => true),
      false,
    );
    assert.equal(gate.tryStart(), false, 'nothing new starts while it waits');
    gate.ended();
    assert.equal(calls.opened, 1);
    assert.equal(gate.tryStart(), false, 'the turn is the suspect’s');
    assert.equal(
      gate.tryStartSuspect(() => true),
      true,
    );
    assert.equal(gate.tryStart(), false, 'it runs alone');
    assert.equal(
      gate.tryStartSuspect(() => true),
      false,
      'also from other suspects',
    );
    gate.ended();
    assert.equal(calls.opened, 2);
    assert.equal(gate.tryStart(), true);
  });

  test('a suspect that went away while it waited holds up nobody', () => {
    const { gate } = setup();
    let isThere = true;
    gate.tryStart();
    gate.tryStartSuspect(() => isThere);
    isThere = false;
    gate.ended();
    assert.equal(gate.tryStart(), true);
  });
});
