import type { CoordinatorCore } from './coordinator-core.ts';
import { PREPARED_ALARM_AGAIN_MS, PREPARED_ALARM_MS } from './limits.ts';
import { spanWords } from './sentences.ts';
import { preparedForMs, type UsedResource } from './used-resource.ts';

/** Warns of prepared branches of ours that are older than a minute: they hold locks. Once for each in ten minutes. */
export class PreparedAlarm {
  readonly #core: CoordinatorCore;
  readonly #toldMs = new Map<string, number>();

  constructor(core: CoordinatorCore) {
    this.#core = core;
  }

  look(resource: UsedResource): void {
    const nowMs = this.#core.io.clock.monotonicNowMs();
    for (const [text, toldMs] of this.#toldMs) {
      if (nowMs - toldMs >= PREPARED_ALARM_AGAIN_MS) this.#toldMs.delete(text);
    }
    for (const found of resource.found) {
      const { branch, kind } = found;
      const ageMs = preparedForMs(found, nowMs);
      if (kind === 'foreign' || kind === 'elsewhere' || ageMs < PREPARED_ALARM_MS || this.#toldMs.has(branch.text))
        continue;
      this.#toldMs.set(branch.text, nowMs);
      this.#core.logger.warn(
        `A branch has been prepared in '${resource.name}' for ${spanWords(ageMs)} and holds its locks there: 'posthorn transactions show ${branch.id?.transaction ?? branch.text}' tells why.`,
        { resource: resource.name, branch: branch.text, ageMs },
      );
    }
  }
}
