import type { PingDirection, PingStep } from '../ping-report.ts';
import type { PingBack } from '../wire/frames.ts';
import type { PingDoors } from './ping-doors.ts';
import { pingThere } from './ping-there.ts';

/**
 * Looks back for other machines that ask for it (`posthorn ping` over there): goes the way that messages to them would take,
 * by the settings of this machine, and tells what it met. A few at a time; each link asks for one at a time.
 */
export class PingBackAnswers {
  readonly #doors: PingDoors;
  #running = 0;

  constructor(doors: PingDoors) {
    this.#doors = doors;
  }

  /** @param machine - as the link of the asking machine proved it, so nobody can have a third machine looked at */
  async lookAt(machine: string, request: PingBack): Promise<PingDirection> {
    if (this.#running >= ANSWERS_MAX) return this.#busy(machine);
    this.#running++;
    try {
      const { direction, probe } = await pingThere(machine, this.#doors);
      probe?.close();
      return withPortHint(direction, request.port);
    } finally {
      this.#running--;
    }
  }

  #busy(machine: string): PingDirection {
    const text = `${this.#doors.machine} answers other pings just now.`;
    const step = { step: 'name', address: undefined, result: 'failed', text, mend: 'Ping again in a minute.' } as const;
    const steps: PingStep[] = [{ ...step, reason: 'BUSY', tookMs: undefined }];
    return { from: this.#doors.machine, to: machine, name: machine, port: 0, steps, isReached: false };
  }
}

/** The usual cause of a failed way back: the asking machine listens on another port than is looked for here. */
function withPortHint(direction: PingDirection, port: number | undefined): PingDirection {
  if (direction.isReached || port === undefined || port === direction.port) return direction;
  const { from, to, name } = direction;
  const mend = `${to} says that it listens on port ${port}, and ${from} looks on port ${direction.port}. Set on ${from}: machines: { "${to}": "${name}:${port}" } in network.json.`;
  const first = direction.steps.findIndex(({ result, step }) => result === 'failed' && step !== 'name');
  return { ...direction, steps: direction.steps.map((step, index) => (index === first ? { ...step, mend } : step)) };
}

const ANSWERS_MAX = 4;
