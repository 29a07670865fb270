import type { RefusedMessage } from '../wire/frames.ts';
import type { IncomingRow } from './stream-rows.ts';

/**
 * What the receiver answers to an ATTACH, from what is durable. Pure.
 *
 * Two things prove that the sender's store went back in time although the sequences fit: there is a later epoch of the
 * stream, made by that store, of which it does not know (former-epochs.ts marks the row); or it asks for refusals that it
 * once had settled, and which were forgotten here because of that. Then the answer has no digest, which the sender takes for a difference (reconcile.ts):
 * it begins a new epoch and marks what it sends. Otherwise a message could arrive twice unmarked, or be lost because its
 * refusal was.
 */
export function answerAttach(question: AttachQuestion): AttachAnswer {
  const { row, acked } = question;
  if (row?.wentBack === true || (row?.forgottenRefusalSeq ?? 0) > acked) {
    return { kind: 'wentBack', last: acked, digest: undefined, refused: [] };
  }
  if (row === undefined) return { kind: 'known', last: undefined, digest: undefined, refused: [] };
  const refused = row.refused.filter(({ seq }) => seq > acked) as readonly RefusedMessage[];
  return { kind: 'known', last: row.last, digest: row.digest, refused };
}

export interface AttachQuestion {
  readonly row: IncomingRow | undefined;
  readonly acked: number;
}

export interface AttachAnswer {
  readonly kind: 'known' | 'wentBack';
  readonly last: number | undefined;
  readonly digest: string | undefined;
  readonly refused: readonly RefusedMessage[];
}
