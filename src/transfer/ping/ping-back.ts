import type { Link } from '../links/link.ts';
import type { PingDirection, PingStep } from '../ping-report.ts';
import type { PingBack } from '../wire/frames.ts';
import type { PingDoors } from './ping-doors.ts';
import { pingThere } from './ping-there.ts';

/**
 * Answers other machines that ask to be looked for (`posthorn ping` over there): goes the way that messages to them would
 * take, by the settings of this machine, and tells what it met.
 *
 * Who asks is named by the link, so nobody can have a third machine looked at; one look at a time for each link, a few
 * together.
 */
export class PingBackAnswers {
  readonly #doors: PingDoors;
  readonly #running = new Set<Link>();

  constructor(doors: PingDoors) {
    this.#doors = doors;
  }

  /** Resolves when the answer was handed to the link. A second request of a link that is being answered is left out. */
  async answer(link: Link, request: PingBack): Promise<void> {
    if (this.#running.has(link)) return;
    const { machine } = link.peer;
    if (this.#running.size >= ANSWERS_MAX) {
      link.send({ type: 'pingBackResult', id: request.id, report: this.#busy(machine) });
      return;
    }
    this.#running.add(link);
    try {
      const { direction, probe } = await pingThere(machine, this.#doors);
      probe?.close();
      link.send({ type: 'pingBackResult', id: request.id, report: withPortHint(direction, request.port) });
    } finally {
      this.#running.delete(link);
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
