import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatSessionName, parseSessionName } from './session-name.ts';

test('a session’s name is read back as it was written', () => {
  for (const name of [
    { id: 15, serverStart: 1_795_340_783, host: '10.1.2.3:35584', account: 'app@%' },
    { id: 2 ** 40, serverStart: 1, host: 'localhost', account: 'a name with as in it@10.1.2.%' },
  ]) {
    assert.deepEqual(parseSessionName(formatSessionName(name)), name);
  }
});

test('what is not wholly in that form names no session', () => {
  for (const text of [
    '',
    '15',
    '15 since 1 from h',
    'x since 1 from h as a',
    '15 since 1 from h as ',
    '4711/1795340783000000',
  ]) {
    assert.equal(parseSessionName(text), undefined, text);
  }
});
