import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SimulatedRandom } from './simulated-random.ts';

describe('simulated randomness', () => {
  test('the same seed gives the same numbers and ids, another seed others', () => {
    const draw = (seed: number) => {
      const random = new SimulatedRandom(seed);
      return [random.uuid(), random.fraction(), random.integer(1000), random.uuid()];
    };
    assert.deepEqual(draw(7), draw(7));
    assert.notDeepEqual(draw(7), draw(8));
  });

  test('ids are version 4 UUIDs and do not repeat', () => {
    const random = new SimulatedRandom(1);
    const ids = Array.from({ length: 10_000 }, () => random.uuid());
    for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.equal(new Set(ids).size, ids.length);
  });

  test('fractions lie in [0, 1) and spread evenly', () => {
    const random = new SimulatedRandom(42);
    const tenths = new Array<number>(10).fill(0);
    for (let draw = 0; draw < 10_000; draw++) {
      const fraction = random.fraction();
      assert.ok(fraction >= 0 && fraction < 1);
      const tenth = Math.floor(fraction * 10);
      tenths[tenth] = (tenths[tenth] ?? 0) + 1;
    }
    for (const count of tenths)
      assert.ok(count > 850 && count < 1150, `each tenth gets about 1,000, this one ${count}`);
  });
});
