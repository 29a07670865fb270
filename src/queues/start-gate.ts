/**
 * Decides which received messages may start now: a suspect (a message that was in flight when a process died) runs alone
 * in the whole queue manager, so that a killer takes nobody with it and innocents never collect deaths (G-P6).
 *
 *     open ──a suspect is next while others run──▶ draining ──the last one ended──▶ reserved
 *     open, reserved ──a suspect starts──▶ alone ──it ended──▶ open
 *     reserved ──the suspect that waited is gone──▶ open
 *
 * Nothing else starts while `draining`, `reserved` or `alone`. Leaving `draining` or `alone` calls `onOpen`, so that the
 * queues look again; a suspect waits at the head of its queue and asks then.
 */
export class StartGate {
  readonly #onOpen: () => void;
  #state: 'open' | 'draining' | 'reserved' | 'alone' = 'open';
  #running = 0;
  #isStillWaiting: () => boolean = () => false;

  constructor(onOpen: () => void) {
    this.#onOpen = onOpen;
  }

  /** True when it is worth asking: a message, or at least a suspect, could start. */
  isOpen(): boolean {
    return this.#state === 'open' || this.#state === 'reserved';
  }

  /** True, and counted as running, when a message may start that was not in flight at a death. */
  tryStart(): boolean {
    if (this.#state === 'reserved' && !this.#isStillWaiting()) this.#state = 'open';
    if (this.#state !== 'open') return false;
    this.#running++;
    return true;
  }

  /** True, and counted as running, when a suspect may start. `isStillWaiting` is asked later, before others are held up for it. */
  tryStartSuspect(isStillWaiting: () => boolean): boolean {
    if (!this.isOpen()) return false;
    if (this.#running > 0) {
      this.#state = 'draining';
      this.#isStillWaiting = isStillWaiting;
      return false;
    }
    this.#state = 'alone';
    this.#running++;
    return true;
  }

  /** A message that had started has ended, whatever the end. */
  ended(): void {
    this.#running--;
    if (this.#running > 0 || this.#state === 'open') return;
    this.#state = this.#state === 'draining' ? 'reserved' : 'open';
    this.#onOpen();
  }

  /** A receiver closed: what waited for it must not hold up the others. */
  lookAgain(): void {
    if (this.isOpen()) this.#onOpen();
  }
}
