import type { PingStep } from '../ping-report.ts';
import { REASON_WORDS, type Where } from '../reason-words.ts';
import type { PingFailure } from './ping-failure.ts';

/** In the order taken. */
export const PING_STEPS = ['name', 'connect', 'tls', 'identity', 'version', 'clock', 'roundTrip'] as const;

export function passedStep(
  step: PingStep['step'],
  text: string,
  more: { readonly address?: string; readonly tookMs?: number } = {},
): PingStep {
  return { ...EMPTY, step, address: more.address, result: 'ok', text, tookMs: more.tookMs };
}

export function failedStep({ step, reason, text }: PingFailure, where: Where): PingStep {
  const mend = REASON_WORDS[reason].mend?.(where);
  return { ...EMPTY, step, address: where.address, result: 'failed', text, reason, mend };
}

export function skippedStep(step: PingStep['step'], text: string, address?: string): PingStep {
  return { ...EMPTY, step, address, result: 'skipped', text };
}

const EMPTY = { address: undefined, reason: undefined, mend: undefined, tookMs: undefined } as const;
