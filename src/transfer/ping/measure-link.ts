import type { Clock, Timers } from '../../io/io.ts';
import type { PingStep } from '../ping-report.ts';
import { failedStep, passedStep } from './ping-steps.ts';
import type { ProbedWhere } from './probe-address.ts';
import type { ProbeLink } from './probe-link.ts';

/** The difference of the clocks, and the time there and back, over an open link; 2 s at most. */
export async function measureLink(
  probe: ProbeLink,
  where: ProbedWhere,
  { clock, timers }: { readonly clock: Clock; readonly timers: Timers },
): Promise<readonly PingStep[]> {
  const samples: { readonly roundTripMs: number; readonly aheadMs: number }[] = [];
  const lost = Promise.withResolvers<string>();
  const timer = timers.after(MEASURE_MS_MAX, () => lost.resolve('they stay out'), { keepsProcessAlive: true });
  const ended = probe.ended.then(({ text }) => text);
  try {
    for (let count = 0; count < ROUND_TRIPS; count++) {
      const pong = await Promise.race([probe.link.ping(), lost.promise, ended]);
      if (typeof pong === 'string') return [silentStep(where, pong)];
      const { roundTripMs, wallMs } = pong;
      samples.push({ roundTripMs, aheadMs: wallMs + roundTripMs / 2 - clock.wallNowMs() });
    }
  } catch (error) {
    return [silentStep(where, error instanceof Error ? error.message : String(error))];
  } finally {
    timer.cancel();
  }
  samples.sort((one, other) => one.roundTripMs - other.roundTripMs);
  const medianMs = samples[Math.floor(samples.length / 2)]?.roundTripMs ?? 0;
  const inWords = `${medianMs < 10 ? medianMs.toFixed(1) : Math.round(medianMs)} ms, median of ${ROUND_TRIPS}`;
  // The quickest answer says most exactly what the clock there said.
  const aheadMs = samples[0]?.aheadMs ?? 0;
  return [
    clockStep(where.address, aheadMs),
    passedStep('roundTrip', inWords, { address: where.address, tookMs: medianMs }),
  ];
}

function clockStep(address: string, aheadMs: number): PingStep {
  const step = passedStep('clock', describeDifference(aheadMs), { address });
  if (Math.abs(aheadMs) <= CLOCK_DIFFERENCE_MS_MAX) return step;
  const mend = 'Set both clocks by NTP: certificates, and the times that messages may take, go by them.';
  return { ...step, result: 'warning', mend };
}

function describeDifference(aheadMs: number): string {
  const seconds = Math.abs(aheadMs) / 1000;
  if (seconds < 1) return 'the clocks are less than a second apart';
  const amount = seconds < 120 ? `${seconds.toFixed(1)} s` : `${Math.round(seconds / 60)} min`;
  return `its clock is ${amount} ${aheadMs > 0 ? 'ahead of' : 'behind'} ours`;
}

function silentStep(where: ProbedWhere, why: string): PingStep {
  return failedStep({ step: 'roundTrip', reason: 'PEER_SILENT', text: `Answers over the link: ${why}.` }, where);
}

const ROUND_TRIPS = 5;
const MEASURE_MS_MAX = 2_000;
const CLOCK_DIFFERENCE_MS_MAX = 30_000;
