import type { LinkEnd } from '../links/link.ts';
import type { Reason } from '../reasons.ts';
import type { DialFailure } from './dial-failure.ts';

/** Why a link that was there is gone, as the outgoing queue says it. */
export function linkEndFailure(end: LinkEnd, where: LinkPlace): DialFailure {
  return { reason: REASONS_OF_ENDS[end.code] ?? 'RESET', text: `${where.machine} at ${where.address}: ${words(end)}` };
}

/** False for an end in order, of which nothing needs to be told. */
export function isTroubledEnd(end: LinkEnd): boolean {
  return !['IDLE', 'REPLACED', 'DONE', 'OPERATOR'].includes(end.code) && !(end.isOurs && end.code === 'SHUTTING_DOWN');
}

export interface LinkPlace {
  readonly machine: string;
  readonly address: string;
}

function words(end: LinkEnd): string {
  const text = end.text.replace(/[.\s]+$/, '');
  const detail = text === '' ? '' : ` (${text})`;
  if (end.code === 'PEER_SILENT') return `connected, then nothing was heard any more${detail}`;
  if (end.code === 'ENDED' || end.code === 'RESET') return `the connection broke${detail}`;
  return `${end.isOurs ? 'this side' : 'the other side'} closed the connection: ${end.code}${detail}`;
}

const REASONS_OF_ENDS: Readonly<Partial<Record<LinkEnd['code'], Reason>>> = {
  PEER_SILENT: 'PEER_SILENT',
  SHUTTING_DOWN: 'PEER_SHUTTING_DOWN',
};
