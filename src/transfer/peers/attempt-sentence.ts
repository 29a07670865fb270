import type { NameAnswer } from '../../io/network.ts';
import type { Reason } from '../reasons.ts';
import { type DialFailure, type DialOutcome, isRefusal } from './dial-failure.ts';

/**
 * The one reason and the sentence of an attempt that reached nobody: the name, what it resolved to and who said so, and what
 * each address had to say. "beta.example is 10.1.2.3 (DNS 10.0.0.2): nothing listens on port 1801".
 */
export function attemptFailure(attempt: FailedAttempt): DialFailure {
  const { outcomes, answered } = attempt;
  if (!isAnswer(answered)) {
    const stale = outcomes.find(({ reason }) => reason === 'STALE_ADDRESS' || isRefusal(reason));
    const text = [nameText(attempt), ...eachOutcome(outcomes)].join('; ');
    return { reason: stale?.reason ?? answered.reason, text, address: stale?.address };
  }
  const [first] = outcomes;
  if (outcomes.length === 1 && first !== undefined && first.origin === 'name' && answered.addresses.length === 1) {
    return { reason: first.reason, text: `${nameText(attempt)}: ${first.text}`, address: first.address };
  }
  const said = weightiest(outcomes);
  return {
    reason: said?.reason ?? 'UNREACHABLE',
    text: `${nameText(attempt)}: ${eachOutcome(outcomes).join('; ')}`,
    address: said?.address,
  };
}

export interface FailedAttempt {
  readonly machine: string;
  /** What was looked up. */
  readonly name: string;
  readonly answered: NameAnswer | DialFailure;
  readonly outcomes: readonly DialOutcome[];
}

function nameText({ machine, name, answered }: FailedAttempt): string {
  const shown = name.toLowerCase() === machine ? name : `${name} (for ${machine})`;
  if (!isAnswer(answered)) return `${shown} has no address: ${answered.text}`;
  const { addresses, source } = answered;
  if (addresses.length === 1 && addresses[0] === name) return shown;
  const some = addresses.slice(0, ADDRESSES_SHOWN).join(', ');
  const more = addresses.length > ADDRESSES_SHOWN ? ` and ${addresses.length - ADDRESSES_SHOWN} more` : '';
  return `${shown} is ${some}${more} (${source})`;
}

function eachOutcome(outcomes: readonly DialOutcome[]): readonly string[] {
  return outcomes.slice(0, ADDRESSES_SHOWN).map(({ address, text, origin }) => `${ORIGINS[origin]}${address}: ${text}`);
}

const ORIGINS = {
  name: '',
  former: 'where it was before, ',
  inbound: 'where it has just connected from, ',
} as const satisfies Record<DialOutcome['origin'], string>;

/** What says most about the cause: somebody who answered, then one who refused, then silence; at the name's addresses, if any. */
function weightiest(outcomes: readonly DialOutcome[]): DialOutcome | undefined {
  const named = outcomes.filter(({ origin }) => origin === 'name');
  const asked = named.length > 0 ? named : outcomes;
  const silent: readonly Reason[] = ['UNREACHABLE', 'CONNECT_TIMEOUT', 'STALE_ADDRESS'];
  return (
    asked.find(({ reason }) => isRefusal(reason)) ??
    asked.find(({ reason }) => reason !== 'CONNECT_REFUSED' && !silent.includes(reason)) ??
    asked.find(({ reason }) => reason === 'CONNECT_REFUSED') ??
    asked.find(({ reason }) => reason === 'CONNECT_TIMEOUT') ??
    asked[0]
  );
}

function isAnswer(answered: NameAnswer | DialFailure): answered is NameAnswer {
  return 'addresses' in answered;
}

const ADDRESSES_SHOWN = 4;
