import type { Clock } from '../../io/io.ts';
import type { Finding } from '../../transactions/resource-manager.ts';

/**
 * The steps of an examination, told one after another as each is known. A step that failed makes those that need it be told
 * as skipped, by the one who runs them.
 */
export class Examination {
  readonly #clock: Clock;
  readonly #tell: (finding: Finding) => void;

  constructor(options: { readonly clock: Clock; tell(finding: Finding): void }) {
    this.#clock = options.clock;
    this.#tell = options.tell;
  }

  /** Runs one step and tells what it found, with the time it took. True unless it failed. */
  async step(name: string, run: () => Promise<StepResult>): Promise<boolean> {
    const startedMs = this.#clock.monotonicNowMs();
    const result = await run();
    this.#tell({ step: name, ...result, tookMs: this.#clock.monotonicNowMs() - startedMs });
    return result.outcome !== 'failed';
  }

  skip(name: string, why: string): void {
    this.#tell({ step: name, outcome: 'skipped', text: why });
  }
}

export type StepResult = Omit<Finding, 'step' | 'tookMs'>;

export function ok(text: string): StepResult {
  return { outcome: 'ok', text };
}

export function failed(text: string, mend: string): StepResult {
  return { outcome: 'failed', text, mend };
}

export function warning(text: string, mend: string): StepResult {
  return { outcome: 'warning', text, mend };
}
