/*
 * What the two machines of the crash test send each other, and where each message must end. R is the receiver, S the
 * sender. The life (life.ts) makes it happen, the verdict (verdict.ts) checks it; both read it here.
 *
 *     orders  ──▶ R done, S journal      units of several messages; the outgoing queue keeps a journal
 *     urgent  ──▶ R done                 eight priorities
 *     later   ──▶ R done                 delayed at the sender
 *     short   ──▶ R done                 or S dead-letter, when its time to reach the queue is over; S hears which
 *     moody   ──▶ R done                 or S dead-letter, while the queue takes nothing from S; S hears which
 *     asks    ──▶ R done, S answered     the handler's reply comes back in the unit of its effect
 *     large   ──▶ R done                 or S dead-letter, when it is larger than R takes: each third that alpha sends
 *     renewed ──▶ R done                 R forgets the stream now and then; what may have come twice is marked
 *     missing ──▶ S dead-letter          R has no such queue
 *
 * At R every queue but `asks`, which an endpoint handles, is moved into `done` in the order of its messages, each in the
 * unit that takes it out.
 */
export const KINDS = ['orders', 'urgent', 'later', 'short', 'moody', 'asks', 'large', 'renewed', 'missing'] as const;

export type Kind = (typeof KINDS)[number];

export const MACHINES = ['alpha', 'beta'] as const;

export type Machine = (typeof MACHINES)[number];

export function peerOf(machine: Machine): Machine {
  return machine === 'alpha' ? 'beta' : 'alpha';
}

export const QUEUES = {
  done: 'done',
  answers: 'answers',
  answered: 'answered',
  receipts: 'receipts',
  deadLetter: 'dead-letter',
  error: 'error',
} as const;

/** Moved into `done`. */
export const MOVED_KINDS = [
  'orders',
  'urgent',
  'later',
  'short',
  'moody',
  'large',
  'renewed',
] as const satisfies readonly Kind[];

/** Largest body by machine: what alpha may send, beta may not take. */
export const BODY_BYTES_MAX: Readonly<Record<Machine, number>> = { alpha: 64 * 1024, beta: 16 * 1024 };
export const LARGE_BODY_BYTES = 24 * 1024;

/** What a message carries in its body, from its first send to its last copy. */
export interface Cargo {
  readonly id: string;
  readonly padding: string;
}

/** Who sent it, in which life, and the how manieth it was of its kind in that life, in the order of the sends. */
export interface MessageName {
  readonly machine: Machine;
  readonly life: number;
  readonly number: number;
  readonly kind: Kind;
}

/** The id tells all of it, so that the verdict needs nothing but ids. */
export function formatId({ machine, life, number, kind }: MessageName): string {
  return `${machine}.${life}-${number}-${kind}`;
}

export function parseId(id: string): MessageName | undefined {
  const [, from, life, number, ending] = /^([a-z]+)\.(\d+)-(\d+)-([a-z]+)$/.exec(id) ?? [];
  const machine = MACHINES.find((known) => known === from);
  const kind = KINDS.find((known) => known === ending);
  if (machine === undefined || kind === undefined) return undefined;
  return { machine, life: Number(life), number: Number(number), kind };
}

export function priorityOf({ number }: MessageName): number {
  return number % 8;
}

export function isTooLarge({ machine, number, kind }: MessageName): boolean {
  return kind === 'large' && machine === 'alpha' && number % 3 === 0;
}
