import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { headersWith } from './header-search.ts';
import { sentPriorityOf } from './sent-priority.ts';

/** As a store gives them: part of a larger buffer, and no Buffer. */
function stored(text: string): Uint8Array {
  const bytes = new TextEncoder().encode(`before${text}after`);
  return bytes.subarray(6, bytes.byteLength - 5);
}

describe('search for a header in stored bytes', () => {
  test('finds it by its name, and reads all headers then', () => {
    const bytes = stored('{"Posthorn.Priority":"5","a":"b"}');
    assert.deepEqual({ ...headersWith(bytes, 'priority') }, { 'Posthorn.Priority': '5', a: 'b' });
    assert.equal(headersWith(bytes, 'administrationQueue'), undefined);
  });

  test('takes no value for a name', () => {
    assert.equal(headersWith(stored('{"a":"Posthorn.Priority"}'), 'priority'), undefined);
    assert.equal(headersWith(stored('{"a":"\\"Posthorn.Priority\\":\\"5\\""}'), 'priority'), undefined);
  });

  test('looks no further than the bytes it was given', () => {
    const bytes = new TextEncoder().encode('{"a":"b"}{"Posthorn.Priority":"5"}');
    assert.equal(headersWith(bytes.subarray(0, 9), 'priority'), undefined);
  });

  test('a priority is one of the eight, or the default', () => {
    assert.equal(sentPriorityOf(stored('{"Posthorn.Priority":"0"}')), 0);
    assert.equal(sentPriorityOf(stored('{"Posthorn.Priority":"7"}')), 7);
    for (const text of ['{"Posthorn.Priority":"8"}', '{"Posthorn.Priority":"high"}', '{}', '"Posthorn.Priority" {']) {
      assert.equal(sentPriorityOf(stored(text)), 3, text);
    }
  });
});
