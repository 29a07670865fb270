import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Reason } from '../reasons.ts';
import { attemptFailure } from './attempt-sentence.ts';
import type { CandidateOrigin, DialOutcome } from './dial-failure.ts';

function outcome(address: string, reason: Reason, text: string, origin: CandidateOrigin = 'name'): DialOutcome {
  return { address, reason, text, origin };
}

const BETA = { machine: 'beta', name: 'beta.example' } as const;
const DNS = 'DNS 10.0.0.2';

test('one address: the name, the address, who said so, and what stands in the way', () => {
  const answered = { addresses: ['10.1.2.3'], source: DNS };
  const outcomes = [outcome('10.1.2.3', 'CONNECT_REFUSED', 'nothing listens on port 1801')];
  assert.deepEqual(attemptFailure({ machine: 'beta.example', name: 'beta.example', answered, outcomes }), {
    reason: 'CONNECT_REFUSED',
    text: 'beta.example is 10.1.2.3 (DNS 10.0.0.2): nothing listens on port 1801',
    address: '10.1.2.3',
  });
});

test('several addresses: each with its own trouble; the reason is that of whoever said most', () => {
  const answered = { addresses: ['10.1.2.3', '10.1.2.9'], source: DNS };
  const outcomes = [
    outcome('10.1.2.3', 'CONNECT_TIMEOUT', 'no answer on port 1801 within 5 s'),
    outcome('10.1.2.9', 'WRONG_HOST', "answered as 'gamma'"),
  ];
  assert.deepEqual(attemptFailure({ ...BETA, answered, outcomes }), {
    reason: 'WRONG_HOST',
    text: "beta.example (for beta) is 10.1.2.3, 10.1.2.9 (DNS 10.0.0.2): 10.1.2.3: no answer on port 1801 within 5 s; 10.1.2.9: answered as 'gamma'",
    address: '10.1.2.9',
  });
});

test('where the machine connected from says nothing about the addresses of its name', () => {
  const answered = { addresses: ['10.1.2.3'], source: DNS };
  const outcomes = [
    outcome('192.0.2.1', 'CONNECT_REFUSED', 'nothing listens on port 1801', 'inbound'),
    outcome('10.1.2.3', 'CONNECT_TIMEOUT', 'no answer on port 1801 within 5 s'),
  ];
  const { reason, text } = attemptFailure({ ...BETA, answered, outcomes });
  assert.equal(reason, 'CONNECT_TIMEOUT');
  assert.match(text, /where it has just connected from, 192\.0\.2\.1: nothing listens/);
});

test('no answer: the reason is the name, unless somebody else stands at the former address', () => {
  const answered = { reason: 'NAME_NOT_FOUND', text: 'nobody knows it' } as const;
  const mute = [outcome('10.1.2.3', 'CONNECT_TIMEOUT', 'no answer on port 1801 within 5 s', 'former')];
  assert.deepEqual(attemptFailure({ ...BETA, answered, outcomes: mute }), {
    reason: 'NAME_NOT_FOUND',
    text: 'beta.example (for beta) has no address: nobody knows it; where it was before, 10.1.2.3: no answer on port 1801 within 5 s',
    address: undefined,
  });
  const other = [outcome('10.1.2.3', 'STALE_ADDRESS', "answered as 'gamma'", 'former')];
  assert.equal(attemptFailure({ ...BETA, answered, outcomes: other }).reason, 'STALE_ADDRESS');
});

test('a very long answer is shown shortened', () => {
  const addresses = Array.from({ length: 30 }, (_, index) => `10.1.2.${index}`);
  const outcomes = addresses.map((address) => outcome(address, 'UNREACHABLE', 'no way there'));
  const { text } = attemptFailure({ ...BETA, answered: { addresses, source: DNS }, outcomes });
  assert.match(text, /10\.1\.2\.3 and 26 more \(DNS/);
  assert.ok(text.length < 400);
});
