/** Control-C, once: the verb ends after the page it is at. A second one ends the process at once. */
export class Interruption {
  readonly promise: Promise<void>;
  happened = false;
  readonly #listener: () => void;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.promise = promise;
    this.#listener = () => {
      this.happened = true;
      resolve();
    };
    process.once('SIGINT', this.#listener);
  }

  stopListening(): void {
    process.off('SIGINT', this.#listener);
  }
}
