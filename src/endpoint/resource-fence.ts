import type { Logger } from '../io/logger.ts';
import type { ResourceUse } from '../transactions/transaction-coordinator.ts';

/**
 * Keeps an endpoint from receiving while one of its databases is fenced or unfit: its messages wait in their queue, uncounted,
 * until an operator has sorted it out. Says so once, and once when it is over.
 */
export class ResourceFence {
  readonly #use: ResourceUse;
  readonly #endpoint: string;
  readonly #logger: Logger;
  readonly #onChange: () => void;
  #isUp = false;

  constructor({ use, endpoint, logger, onChange }: ResourceFenceParts) {
    this.#use = use;
    this.#endpoint = endpoint;
    this.#logger = logger;
    this.#onChange = onChange;
    use.onChange(() => {
      if (this.#look()) this.#onChange();
    });
    this.#look();
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** True when it went up or down. */
  #look(): boolean {
    const { fenced } = this.#use;
    const wasUp = this.#isUp;
    this.#isUp = fenced.length > 0;
    if (this.#isUp === wasUp) return false;
    const fields = { endpoint: this.#endpoint, resources: fenced.map(({ name }) => name) };
    if (this.#isUp) {
      const why = fenced.map(
        ({ name, state, sentence }) => `database '${name}' is ${state}${sentence ? `: ${sentence}` : ''}`,
      );
      this.#logger.error(`Endpoint '${this.#endpoint}' receives nothing: ${why.join('; ')}`, fields);
    } else {
      this.#logger.info(`Endpoint '${this.#endpoint}' receives again: all of its databases may be used.`, fields);
    }
    return true;
  }
}

export interface ResourceFenceParts {
  readonly use: ResourceUse;
  readonly endpoint: string;
  readonly logger: Logger;
  /** Called when `isUp` has changed; not for what it is at first. */
  onChange(): void;
}
