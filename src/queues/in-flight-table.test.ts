import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SmallFile } from '../io/small-file.ts';
import { InFlightTable, readInFlight } from './in-flight-table.ts';

function setup(found = new Uint8Array(0)) {
  const content = new Uint8Array(4096);
  const file: SmallFile = {
    found,
    write: (bytes, offset) => content.set(bytes, offset),
    close: () => undefined,
    remove: () => content.fill(0),
  };
  return { content, table: new InFlightTable(file, 7) };
}

describe('the in-flight table', () => {
  test('what is entered and flushed is read back with the generation', () => {
    const { table, content } = setup();
    table.enter(1, 2 ** 47 + 5);
    table.enter(32_767, 9);
    table.flush();
    assert.deepEqual(readInFlight(content), {
      generation: 7,
      messages: [
        { place: 1, position: 2 ** 47 + 5 },
        { place: 32_767, position: 9 },
      ],
    });
  });

  test('a message that went back to its place is not named any more', () => {
    const { table, content } = setup();
    const slot = table.enter(1, 5);
    table.flush();
    table.clear(slot);
    assert.deepEqual(readInFlight(content).messages, []);
  });

  test('a slot is used again after its message left', () => {
    const { table, content } = setup();
    table.leave(table.enter(1, 5));
    table.enter(1, 6);
    table.flush();
    assert.deepEqual(readInFlight(content).messages, [{ place: 1, position: 6 }]);
  });

  test('a slot torn at any byte names nobody, and its neighbours are read', () => {
    const { table, content } = setup();
    table.enter(3, 1234);
    table.enter(4, 5678);
    table.flush();
    for (let byte = 16; byte < 32; byte++) {
      const torn = content.slice();
      torn[byte] = (torn[byte] ?? 0) ^ 0x55;
      assert.deepEqual(readInFlight(torn).messages, [{ place: 4, position: 5678 }], `byte ${byte}`);
    }
  });

  test('a new generation wipes out what the last one left', () => {
    const found = new Uint8Array(64).fill(3);
    const { content } = setup(found);
    assert.deepEqual(readInFlight(content), { generation: 7, messages: [] });
  });
});
