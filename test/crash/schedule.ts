import type { Failpoint } from '../../src/io/failpoint.ts';

/** How one life is to end. */
export type Death =
  | { readonly kind: 'random'; readonly from: 'start' | 'ready'; readonly afterMs: number }
  | {
      readonly kind: 'failpoint';
      readonly failpoint: Failpoint;
      /** Dies at this passage. */
      readonly passage: number;
      /** Milliseconds after it was ready at which the life is asked to end in good order, for failpoints on that way. */
      readonly askToEndAfterMs: number | undefined;
    };

/**
 * Plans `kills` deaths: each failpoint once, of the rest half at failpoints and half at random moments, one in four of
 * those before the process is ready; in random order.
 *
 * @param fraction - chance, in [0, 1)
 */
export function planDeaths(kills: number, failpoints: readonly Failpoint[], fraction: () => number): Death[] {
  const deaths: Death[] = failpoints.map((failpoint) => atFailpoint(failpoint, fraction));
  while (deaths.length < kills) {
    const failpoint = failpoints[Math.floor(fraction() * failpoints.length)];
    const isRandom = deaths.length % 2 === 0 || failpoint === undefined;
    deaths.push(isRandom ? atRandomMoment(fraction) : atFailpoint(failpoint, fraction));
  }
  for (let last = deaths.length - 1; last > 0; last--) {
    const other = Math.floor(fraction() * (last + 1));
    [deaths[last], deaths[other]] = [deaths[other] as Death, deaths[last] as Death];
  }
  return deaths;
}

function atFailpoint(failpoint: Failpoint, fraction: () => number): Death {
  const passage = 1 + Math.floor(fraction() * passagesMax(failpoint));
  const askToEndAfterMs = failpoint.startsWith('close.') ? 100 + fraction() * 400 : undefined;
  return { kind: 'failpoint', failpoint, passage, askToEndAfterMs };
}

function atRandomMoment(fraction: () => number): Death {
  if (fraction() < 0.25) return { kind: 'random', from: 'start', afterMs: fraction() * STARTING_MS };
  return { kind: 'random', from: 'ready', afterMs: 50 + fraction() * 900 };
}

/** About as many passages as a life of a second makes: some come by with each message, some now and then, some once. */
function passagesMax(failpoint: Failpoint): number {
  if (/^(?:unit|store|loop)\./.test(failpoint)) return failpoint.endsWith('checkpoint') ? 2 : 300;
  if (/^transfer\..*(?:data|ack|removal|commit)/.test(failpoint)) return 30;
  return /^(?:recoverability|deadlines|return|purge|control)\.|^transfer\..*(?:dead-letter|attached)/.test(failpoint)
    ? 4
    : 1;
}

/** A process takes about this long until it is ready. */
const STARTING_MS = 400;

/** A generator of chance that gives the same numbers for the same seed (mulberry32). */
export function seededFraction(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
