import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SimulatedIo } from '../../testing/simulated-io.ts';
import { DialTurns, type Turn } from './dial-turns.ts';

function setup(inFlightMax: number) {
  const io = new SimulatedIo();
  const turns = new DialTurns(io, inFlightMax);
  const started: string[] = [];
  const gaveWay: string[] = [];
  return {
    io,
    turns,
    started,
    gaveWay,
    ask(name: string, isFresh: boolean): Turn {
      const turn: Turn = {
        isFresh,
        start: () => started.push(name),
        giveWay: () => {
          gaveWay.push(name);
          turns.giveBack(turn);
        },
      };
      turns.ask(turn);
      return turn;
    },
    advance(ms: number): void {
      io.clock.advance(ms);
      io.timers.runDue();
    },
  };
}

describe('turns to dial', () => {
  test('are given in the order in which they were asked for, as many at once as there may be', () => {
    const { turns, ask, started } = setup(10);
    const asked = Array.from({ length: 12 }, (_, index) => ask(`${index}`, true));
    assert.equal(started.length, 10);
    turns.giveBack(asked[3] as Turn);
    assert.equal(started.at(-1), '10');
    assert.equal(turns.inFlight, 10);
    assert.equal(turns.waiting, 1);
  });

  test('are kept for those who have not failed, however many have', () => {
    const { ask, started } = setup(10);
    for (let index = 0; index < 20; index++) ask('failed before', false);
    assert.equal(started.length, 6);
    ask('fresh', true);
    assert.equal(started.at(-1), 'fresh');
  });

  test('are taken from whoever has had no answer for a second, when somebody fresh waits', () => {
    const { ask, advance, started, gaveWay } = setup(2);
    ask('first', true);
    advance(500);
    ask('second', true);
    ask('third', true);
    advance(499);
    assert.deepEqual(gaveWay, []);
    advance(1);
    assert.deepEqual([gaveWay, started], [['first'], ['first', 'second', 'third']]);
    ask('has failed', false);
    advance(10_000);
    assert.deepEqual(gaveWay, ['first'], 'nobody gives way to one that has failed');
  });

  test('that are not wanted any more are given back without having been used', () => {
    const { turns, ask, started } = setup(1);
    const running = ask('running', true);
    const waiting = ask('waiting', true);
    turns.giveBack(waiting);
    turns.giveBack(running);
    assert.deepEqual([started, turns.inFlight, turns.waiting], [['running'], 0, 0]);
  });
});
