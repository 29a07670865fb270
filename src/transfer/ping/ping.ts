import type { PingDirection, PingReport } from '../ping-report.ts';
import type { PingDoors } from './ping-doors.ts';
import { failedStep } from './ping-steps.ts';
import { PING_THERE_MS_MAX, pingThere } from './ping-there.ts';
import type { ProbeLink } from './probe-link.ts';
import { readPingDirection } from './read-ping-direction.ts';

/**
 * Looks at the way to a machine and, over the same link, has it look at the way back by its own settings. Takes at most 20 s.
 *
 * `listenPort` is where this machine takes connections; undefined when it takes none, and `noWayBack` says why.
 */
export async function ping(machine: string, doors: PingDoors, here: PingedFrom): Promise<PingReport> {
  const { direction: there, probe } = await pingThere(machine, doors);
  if (probe === undefined) {
    return { there, back: undefined, backText: `${machine} was not reached, so it could not be asked to look back.` };
  }
  try {
    if (here.listenPort === undefined) return { there, back: undefined, backText: here.noWayBack };
    return { there, back: await askBack(probe, here.listenPort, there, doors), backText: undefined };
  } finally {
    probe.close();
  }
}

export type PingedFrom =
  | { readonly listenPort: number }
  | { readonly listenPort: undefined; readonly noWayBack: string };

/** What is said when `listen` is not set. */
export function noListener(machine: string): PingedFrom {
  return {
    listenPort: undefined,
    noWayBack: `This machine takes no connections ('listen' is not set), so ${machine} can send nothing here; replies too need it.`,
  };
}

async function askBack(probe: ProbeLink, port: number, there: PingDirection, doors: PingDoors): Promise<PingDirection> {
  const answered = Promise.withResolvers<unknown>();
  probe.onFrame((frame) => {
    if (frame.type === 'pingBackResult' && frame.id === PING_BACK_ID) answered.resolve(frame.report);
  });
  const timer = doors.timers.after(BACK_MS_MAX, () => answered.resolve(NOTHING), { keepsProcessAlive: true });
  probe.link.send({ type: 'pingBack', id: PING_BACK_ID, port });
  const report = await Promise.race([answered.promise, probe.ended.then(() => NOTHING)]);
  timer.cancel();
  if (report === NOTHING) return notAsked(there, `${there.to} did not say in time what it found.`);
  return readPingDirection(report) ?? notAsked(there, `${there.to} answered in a way that this version does not know.`);
}

function notAsked(there: PingDirection, text: string): PingDirection {
  const { from, to } = there;
  const where = { machine: to, name: to, address: undefined, port: 0 };
  const step = failedStep({ step: 'name', reason: 'PEER_SILENT', text }, where);
  return { from: to, to: from, name: from, port: 0, steps: [step], isReached: false };
}

const NOTHING = Symbol('no answer');
const PING_BACK_ID = 1;
const BACK_MS_MAX = PING_THERE_MS_MAX + 1_000;
