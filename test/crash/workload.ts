/*
 * What the crash test sends, and where each message must end. The life (life.ts) makes it happen, the verdict
 * (verdict.ts) checks it; both read it here.
 *
 *     plain ─────────▶ first ──▶ second ──▶ done + receipt      two handlers, the last sends two messages in one unit
 *     fails-once       the same; the first attempt throws (immediate retry)
 *     fails-round      the same; the first round throws (delayed retry)
 *     delayed          the same; sent with a delay
 *     later            the same; the handler of `first` sends on with a delay
 *     broken           the same; throws until the last life repairs it: error queue, returned to source, again and again
 *     hopeless ──────▶ first ──▶ error                          throws for ever
 *     expiring ──────▶ unread ──▶ dead-letter                   nobody receives it in time
 *     loose ─────────▶ loose ──▶ loose-done                     mode receiveOnly: at least once
 *     scrap ─────────▶ scrap                                    purged now and then
 */
export const KINDS = [
  'plain',
  'fails-once',
  'fails-round',
  'delayed',
  'later',
  'broken',
  'hopeless',
  'expiring',
  'loose',
  'scrap',
] as const;

export type Kind = (typeof KINDS)[number];

/** Of 100 messages, so many are of that kind. */
const SHARES: Readonly<Record<Kind, number>> = {
  plain: 55,
  'fails-once': 5,
  'fails-round': 2,
  delayed: 8,
  later: 7,
  broken: 1,
  hopeless: 1,
  expiring: 4,
  loose: 12,
  scrap: 5,
};

export function kindAt(fraction: number): Kind {
  let left = fraction * Object.values(SHARES).reduce((sum, share) => sum + share, 0);
  for (const kind of KINDS) {
    left -= SHARES[kind];
    if (left < 0) return kind;
  }
  return 'plain';
}

export const QUEUES = {
  first: 'first',
  second: 'second',
  done: 'done',
  receipt: 'receipt',
  error: 'error',
  deadLetter: 'dead-letter',
  unread: 'unread',
  loose: 'loose',
  looseDone: 'loose-done',
  scrap: 'scrap',
} as const;

export function queueOf(kind: Kind): string {
  if (kind === 'expiring') return QUEUES.unread;
  if (kind === 'loose') return QUEUES.loose;
  return kind === 'scrap' ? QUEUES.scrap : QUEUES.first;
}

/** What every message of the crash test carries in its body, from its first send to its last copy. */
export interface Cargo {
  readonly id: string;
  readonly kind: Kind;
  readonly padding: string;
}

/** The id tells the kind, so that the verdict needs nothing but ids. */
export function makeId(writer: string, number: number, kind: Kind): string {
  return `${writer}-${number}-${kind}`;
}

export function kindOfId(id: string): Kind | undefined {
  const ending = /^[^-]+-\d+-(.+)$/.exec(id)?.[1];
  return KINDS.find((kind) => kind === ending);
}
