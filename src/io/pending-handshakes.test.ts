import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PendingHandshakes } from './pending-handshakes.ts';

describe('handshakes that are under way', () => {
  test('of one network beyond its share end its oldest, and nobody else’s', () => {
    const { enter, cut, pending } = setup({ max: 100, perNetworkMax: 2 });
    enter('10.0.1.1', 'stranger');
    enter('10.0.0.1', 'first');
    enter('10.0.0.2', 'second');
    assert.deepEqual(cut, []);
    enter('10.0.0.3', 'third');
    assert.deepEqual(cut, ['first']);
    assert.equal(pending.count, 3);
  });

  test('of all networks beyond their bound end the oldest of all', () => {
    const { enter, cut } = setup({ max: 2, perNetworkMax: 2 });
    enter('10.0.0.1', 'first');
    enter('10.0.1.1', 'second');
    enter('10.0.2.1', 'third');
    assert.deepEqual(cut, ['first']);
  });

  test('make room when they are done, and are all cut in the end', () => {
    const { enter, cut, pending } = setup({ max: 2, perNetworkMax: 2 });
    const leaveFirst = enter('10.0.0.1', 'first');
    enter('10.0.0.1', 'second');
    leaveFirst();
    leaveFirst();
    enter('10.0.0.1', 'third');
    assert.deepEqual(cut, []);
    pending.clear();
    assert.deepEqual(cut, ['second', 'third']);
    assert.equal(pending.count, 0);
  });
});

function setup(limits: ConstructorParameters<typeof PendingHandshakes>[0]) {
  const pending = new PendingHandshakes(limits);
  const cut: string[] = [];
  return { pending, cut, enter: (address: string, name: string) => pending.enter(address, () => cut.push(name)) };
}
