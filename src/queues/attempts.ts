/**
 * Failed attempts and deaths of the messages that wait in one queue, by position; durable under `attempts/…`.
 * Only messages that failed at least once are in here, and they leave it when they leave the queue.
 */
export class Attempts {
  readonly #byPosition = new Map<number, AttemptCounts>();

  of(position: number): AttemptCounts {
    return this.#byPosition.get(position) ?? NONE;
  }

  has(position: number): boolean {
    return this.#byPosition.has(position);
  }

  set(position: number, counts: AttemptCounts): void {
    this.#byPosition.set(position, counts);
  }

  forget(position: number): void {
    if (this.#byPosition.size > 0) this.#byPosition.delete(position);
  }
}

export interface AttemptCounts {
  /** Handler attempts of this round that failed. */
  readonly failed: number;
  /** Processes that died while the message was in flight. */
  readonly deaths: number;
}

const NONE: AttemptCounts = { failed: 0, deaths: 0 };

export const ATTEMPTS_PREFIX = 'attempts/';

export function attemptsKey(place: number, position: number): string {
  return `${ATTEMPTS_PREFIX}${place}/${position}`;
}

/** Reads a state entry back; undefined for one that is not ours. */
export function parseAttempts(
  key: string,
  value: string,
): { place: number; position: number; counts: AttemptCounts } | undefined {
  const [place, position] = key.slice(ATTEMPTS_PREFIX.length).split('/').map(Number);
  const counts = JSON.parse(value) as Partial<AttemptCounts>;
  if (!Number.isSafeInteger(place) || !Number.isSafeInteger(position)) return undefined;
  return {
    place: place as number,
    position: position as number,
    counts: { failed: Number(counts.failed ?? 0), deaths: Number(counts.deaths ?? 0) },
  };
}
