import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Roster } from './roster.ts';

function rosterOf(...members: string[]): Roster<string> {
  const roster = new Roster<string>();
  for (const member of members) roster.add(member);
  return roster;
}

describe('a roster', () => {
  test('keeps the order in which its members came, whoever leaves', () => {
    const roster = rosterOf('a', 'b', 'c', 'd');
    assert.equal(roster.remove('b'), true);
    roster.add('b');
    assert.deepEqual(roster.all(), ['a', 'c', 'd', 'b']);
    assert.deepEqual([roster.first, roster.size], ['a', 4]);
  });

  test('says who was not there', () => {
    const roster = rosterOf('a');
    assert.deepEqual([roster.remove('x'), roster.remove('a'), roster.remove('a')], [false, true, false]);
    assert.deepEqual([roster.first, roster.size], [undefined, 0]);
  });

  test('finds a member by what it is', () => {
    assert.equal(
      rosterOf('a', 'bb').find(({ length }) => length === 2),
      'bb',
    );
  });

  test('lets go of who left, without a full collection', () => {
    setFlagsFromString('--expose-gc');
    const collect: (options: { readonly type: 'major' | 'minor' }) => void = runInNewContext('gc');
    const roster = new Roster<readonly number[]>();
    const load = (): readonly number[] => new Array<number>(100).fill(0);
    for (let index = 0; index < 16; index++) roster.add(load());
    // What is there now becomes old.
    collect({ type: 'major' });
    const before = process.memoryUsage().heapUsed;
    for (let index = 0; index < 20_000; index++) {
      roster.add(load());
      roster.remove(roster.first ?? []);
    }
    for (let round = 0; round < 3; round++) collect({ type: 'minor' });
    const grownBytes = process.memoryUsage().heapUsed - before;
    // With a Set 2.4 million.
    assert.ok(grownBytes < 1_000_000, `${grownBytes} bytes of those who left are there still`);
  });
});
