import assert from 'node:assert/strict';
import { test } from 'node:test';
import { REASON_WORDS } from './reason-words.ts';
import { REASONS } from './reasons.ts';

const WHERE = { machine: 'beta', name: 'beta.internal', address: '10.0.0.2', port: 1900 };

test('every reason is worded in at most 20 characters, no two alike', () => {
  const words = REASONS.map((reason) => REASON_WORDS[reason].short);
  for (const short of words) assert.ok(short !== '' && short.length <= 20, short);
  assert.equal(new Set(words).size, words.length);
});

test('what is to be done is said in whole sentences, also where no address was come to', () => {
  for (const reason of REASONS) {
    for (const where of [WHERE, { ...WHERE, address: undefined }]) {
      const mend = REASON_WORDS[reason].mend?.(where) ?? 'Nothing.';
      assert.match(mend, /^[A-Z].*\.$/, reason);
      assert.doesNotMatch(mend, /undefined/, reason);
    }
  }
});

test('a name is only doubted where one was given', () => {
  const mend = (machine: string) => REASON_WORDS.CONNECT_REFUSED.mend?.({ ...WHERE, machine });
  assert.match(mend('beta') ?? '', /If 10\.0\.0\.2 is not beta, correct the name\.$/);
  assert.doesNotMatch(mend('10.0.0.2') ?? '', /correct the name/);
});
