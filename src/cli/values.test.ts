import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { filterOf } from './filter-options.ts';
import { parseDuration, parseListen, parseRate, parseWhole } from './values.ts';

describe('values on the command line', () => {
  test('a time span is a number with its unit, seconds without', () => {
    const cases: readonly [string, number][] = [
      ['250ms', 250],
      ['30', 30_000],
      ['30s', 30_000],
      ['15m', 900_000],
      ['1.5h', 5_400_000],
      ['2d', 172_800_000],
    ];
    for (const [text, expectedMs] of cases) assert.equal(parseDuration('--x', text), expectedMs);
    for (const text of ['', 'h', '-1s', '1w', '1h30m', '1e3', 'NaN']) {
      assert.throws(() => parseDuration('--older-than', text), /--older-than.*a bare number is seconds/, text);
    }
  });

  test('numbers are within their limits', () => {
    assert.equal(parseWhole('--priority', '7', 0, 7), 7);
    for (const text of ['8', '-1', '1.5', 'x', ''])
      assert.throws(() => parseWhole('--priority', text, 0, 7), /from 0 to 7/);
    assert.equal(parseRate('--rate', '0.5'), 0.5);
    for (const text of ['0', '-1', 'x', '1e9']) assert.throws(() => parseRate('--rate', text), /--rate/);
  });

  test('--filter NAME=VALUE says the same as the option of that name', () => {
    const byOption = filterOf({
      id: ['x', 'y'],
      type: 'A',
      exception: 'B',
      group: ['c', 'd'],
      from: 'e',
      olderThan: '1h',
      newerThan: '2h',
      text: 'f=g',
      bodies: true,
    });
    const names = [
      'id=x',
      'id=y',
      'type=A',
      'exception=B',
      'group=c',
      'group=d',
      'from=e',
      'older-than=1h',
      'newer-than=2h',
      'bodies=f=g',
    ];
    assert.deepEqual(filterOf({ filter: names }), byOption);
  });

  test('a filter of an unknown name is told the nearest', () => {
    assert.throws(() => filterOf({ filter: ['exeption=B'] }), /Did you mean 'exception'/);
    assert.throws(() => filterOf({ filter: ['type'] }), /NAME=VALUE/);
    assert.throws(() => filterOf({ bodies: true }), /--text/);
  });

  test('where to listen is a port, with or without one address', () => {
    assert.deepEqual(parseListen('1801'), { port: 1801 });
    assert.deepEqual(parseListen('127.0.0.1:1802'), { port: 1802, address: '127.0.0.1' });
    assert.deepEqual(parseListen('[::1]:0'), { port: 0, address: '::1' });
    for (const text of ['', 'yes', ':1801', '::1', '::1:1801', '127.0.0.1', '1801:', '65536', '-1', '10.0.0.5:99999']) {
      assert.throws(() => parseListen(text), /--listen/, text);
    }
  });
});
