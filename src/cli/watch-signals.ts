import type { Screen } from './screen.ts';

/**
 * The signals that concern a watching process. Control-C ends the watch; being told to end, or to stop for a while
 * (Control-Z), happens as ever, only that the screen is given back before.
 */
export class WatchSignals {
  isOver = false;
  readonly #over = Promise.withResolvers<undefined>();
  readonly #screen: Screen | undefined;
  #wake: () => void = () => undefined;
  readonly #listeners: readonly (readonly [NodeJS.Signals, () => void])[];

  constructor(screen: Screen | undefined) {
    this.#screen = screen;
    this.#listeners = [
      ['SIGINT', () => this.#end()],
      ['SIGTERM', () => this.#endBy('SIGTERM')],
      ['SIGHUP', () => this.#endBy('SIGHUP')],
      ['SIGWINCH', () => this.#wake()],
      ...(screen === undefined
        ? []
        : ([
            ['SIGTSTP', () => this.#sleep()],
            ['SIGCONT', () => this.#goOn()],
          ] as const)),
    ];
    for (const [signal, listener] of this.#listeners) process.on(signal, listener);
  }

  /** Resolves at Control-C. */
  get over(): Promise<undefined> {
    return this.#over.promise;
  }

  /** Runs `wake` when there is reason not to wait. */
  onWake(wake: () => void): void {
    this.#wake = wake;
    if (this.isOver) wake();
  }

  stopListening(): void {
    for (const [signal, listener] of this.#listeners) process.off(signal, listener);
  }

  #end(): void {
    this.isOver = true;
    this.#over.resolve(undefined);
    this.#wake();
  }

  #endBy(signal: NodeJS.Signals): void {
    this.#screen?.leave();
    this.stopListening();
    process.kill(process.pid, signal);
  }

  #sleep(): void {
    this.#screen?.leave();
    process.kill(process.pid, 'SIGSTOP');
  }

  #goOn(): void {
    this.#screen?.enter();
    this.#wake();
  }
}
