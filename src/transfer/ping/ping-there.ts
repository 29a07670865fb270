import { NameFailure } from '../../io/network.ts';
import type { PingDirection, PingStep } from '../ping-report.ts';
import type { Where } from '../reason-words.ts';
import type { Reason } from '../reasons.ts';
import { measureLink } from './measure-link.ts';
import type { PingDoors } from './ping-doors.ts';
import { failedStep, PING_STEPS, passedStep, skippedStep } from './ping-steps.ts';
import { type ProbedAddress, type ProbedWhere, probeAddress } from './probe-address.ts';
import type { ProbeLink } from './probe-link.ts';

/** The way to a machine, looked at from here; `probe` is open when it was reached, and is to be closed. */
export interface PingedThere {
  readonly direction: PingDirection;
  readonly probe: ProbeLink | undefined;
}

/**
 * Looks at the way to a machine as messages would take it: its name, every address of it, TLS, who is there, the clocks, the
 * time there and back. Never rejects for what it finds; takes at most `PING_THERE_MS_MAX`.
 */
export async function pingThere(machine: string, doors: PingDoors): Promise<PingedThere> {
  const override = doors.settings.machines.get(machine.toLowerCase());
  const name = override?.host ?? machine;
  const port = override?.port ?? doors.settings.port;
  const where: Where = { machine, name, address: undefined, port };
  const { step, addresses } = await resolveName(where, override !== undefined, doors);
  const probed = await probeAll(addresses, where, doors);
  const reached = probed.find(({ probe }) => probe !== undefined);
  for (const other of probed) if (other !== reached) other.probe?.close();
  const steps = [step, ...probed.flatMap((each) => (reached === undefined ? each.steps : each.steps.map(forgive)))];
  if (reached?.probe !== undefined) {
    steps.push(...(await measureLink(reached.probe, { ...where, address: reached.address }, doors)));
  }
  const direction = { from: doors.machine, to: machine, name, port, steps: complete(steps), isReached: !!reached };
  return { direction, probe: reached?.probe };
}

const NAME_MS_MAX = 3_000;
const PROBE_MS_MAX = 4_000;
/** Name, addresses, clock and round trip. */
export const PING_THERE_MS_MAX = NAME_MS_MAX + PROBE_MS_MAX + 2_000;
const ADDRESSES_MAX = 8;

async function resolveName(
  where: Where,
  isOverride: boolean,
  doors: PingDoors,
): Promise<{ readonly step: PingStep; readonly addresses: readonly string[] }> {
  const begunMs = doors.clock.monotonicNowMs();
  try {
    const { addresses, source } = await doors.names.resolve(where.name, NAME_MS_MAX);
    const list = addresses.join(', ');
    const told = isOverride ? `'machines' says ${where.name}` : where.name;
    const text = list === where.name ? told : `${told}${isOverride ? ', which' : ''} is ${list} (${source})`;
    const tookMs = doors.clock.monotonicNowMs() - begunMs;
    return { step: passedStep('name', text, { tookMs }), addresses: addresses.slice(0, ADDRESSES_MAX) };
  } catch (error) {
    if (!(error instanceof NameFailure)) throw error;
    const failure = { step: 'name', reason: NAME_REASONS[error.code], text: error.message } as const;
    return { step: failedStep(failure, where), addresses: [] };
  }
}

const NAME_REASONS: Readonly<Record<NameFailure['code'], Reason>> = {
  NOT_FOUND: 'NAME_NOT_FOUND',
  SERVER_FAILED: 'NAME_SERVER_FAILED',
  TIMEOUT: 'NAME_TIMEOUT',
};

/** All at once, until the time for it is over. */
async function probeAll(
  addresses: readonly string[],
  where: Where,
  doors: PingDoors,
): Promise<readonly ProbedAddress[]> {
  const deadline = new AbortController();
  const timer = doors.timers.after(PROBE_MS_MAX, () => deadline.abort(), { keepsProcessAlive: true });
  const probing = addresses.map((address): Promise<ProbedAddress> => {
    const probed: ProbedWhere = { ...where, address };
    return probeAddress(probed, doors, deadline.signal);
  });
  try {
    return await Promise.all(probing);
  } finally {
    timer.cancel();
  }
}

/** A dead address beside one that works costs time, and stops nothing. */
function forgive(step: PingStep): PingStep {
  return step.result === 'failed' ? { ...step, result: 'warning' } : step;
}

/** With the steps that were not come to, so that it shows how far it went. */
function complete(taken: readonly PingStep[]): readonly PingStep[] {
  const missing = PING_STEPS.filter((step) => taken.every((each) => each.step !== step));
  return [...taken, ...missing.map((step) => skippedStep(step, 'not come to'))];
}
