import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

/**
 * What the processes of the crash test saw with their own eyes, apart from the store that is tested: one file that all
 * append to, a line per event, each with its own write, so that it outlives a SIGKILL right after.
 *
 *     intent ID      about to send; from here on the message may exist
 *     accepted ID    the send resolved; from here on the message must exist
 *     purging N      about to purge the queue `scrap`
 *     purged N       the purge resolved
 *     life N         a new process owns the directory: what the last one had not finished ended before
 */
export class LedgerWriter {
  readonly #descriptor: number;

  constructor(path: string) {
    this.#descriptor = openSync(path, 'a');
  }

  note(event: LedgerEvent, subject: string): void {
    writeSync(this.#descriptor, `${event} ${subject}\n`);
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

export type LedgerEvent = 'intent' | 'accepted' | 'purging' | 'purged' | 'life';

export interface Ledger {
  /** Every id that was ever about to be sent, with the line of its intent. */
  readonly intents: ReadonlyMap<string, number>;
  /** Every id whose send resolved, with the line that says so. */
  readonly accepted: ReadonlyMap<string, number>;
  /** Every purge, with the lines between which it may have taken messages. */
  readonly purges: readonly Purge[];
}

export interface Purge {
  readonly from: number;
  readonly to: number;
  /** False when the process died in it. */
  readonly isComplete: boolean;
}

export function readLedger(path: string): Ledger {
  return parseLedger(readFileSync(path, 'utf8'));
}

export function parseLedger(text: string): Ledger {
  const intents = new Map<string, number>();
  const accepted = new Map<string, number>();
  const purges: Purge[] = [];
  let purgingFrom: number | undefined;
  // What follows the last line end was cut off by a kill in the middle of its write.
  for (const [index, line] of text.split('\n').slice(0, -1).entries()) {
    const [event, subject = ''] = line.split(' ', 2);
    switch (event as LedgerEvent) {
      case 'intent':
        intents.set(subject, index);
        break;
      case 'accepted':
        accepted.set(subject, index);
        break;
      case 'purging':
        purgingFrom = index;
        break;
      case 'purged':
      case 'life':
        if (purgingFrom !== undefined) purges.push({ from: purgingFrom, to: index, isComplete: event === 'purged' });
        purgingFrom = undefined;
        break;
      default:
        throw new Error(`Line ${index + 1} of the ledger is '${line}'.`);
    }
  }
  return { intents, accepted, purges };
}
