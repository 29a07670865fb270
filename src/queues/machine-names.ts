import type { Address } from '../message/address.ts';

/** Which machine names mean this machine, and what a queue is called here. Machine names compare without regard to case. */
export class MachineNames {
  /** As in the addresses that this machine writes. */
  readonly machine: string;
  readonly #own: ReadonlySet<string>;

  constructor(machine: string, aliases: readonly string[]) {
    this.machine = machine;
    this.#own = new Set([machine, ...aliases].map((name) => name.toLowerCase()));
  }

  isHere(machine: string | undefined): boolean {
    return machine === undefined || machine === this.machine || this.#own.has(machine.toLowerCase());
  }

  /** `billing` for a queue of this machine; for one of another the name of its outgoing queue, `billing@beta`. */
  queueNameOf({ queue, machine }: Address): string {
    return this.isHere(machine) ? queue : outgoingNameOf({ queue, machine });
  }

  /** `queue@machine` of a queue that `queueNameOf` named. */
  addressOf(queueName: string): string {
    return isOutgoingName(queueName) ? queueName : `${queueName}@${this.machine}`;
  }
}

export function outgoingNameOf({
  queue,
  machine = '',
}: {
  readonly queue: string;
  readonly machine?: string | undefined;
}): string {
  return `${queue}@${machine.toLowerCase()}`;
}

/** True for the name of an outgoing queue: only those have a machine in them. */
export function isOutgoingName(queueName: string): boolean {
  return queueName.includes('@');
}
