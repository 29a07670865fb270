import type { Timer } from '../io/io.ts';
import { asError } from './as-error.ts';
import type { CoordinatorCore } from './coordinator-core.ts';
import { IDLE_PERIOD_MS, PENDING_PERIOD_MS, RETRY_FIRST_MS } from './limits.ts';
import type { PendingTransaction } from './pending-transaction.ts';
import { PreparedAlarm } from './prepared-alarm.ts';
import { hasPending, recoverResource } from './recover-resource.ts';
import type { Witness } from './resource-manager.ts';
import { isMisfit, type UsedResource } from './used-resource.ts';

/**
 * Settles what transactions left behind: at start, and again and again while something is left (G-X7 to G-X9).
 *
 * Every database has rounds of its own, one at a time, so one that hangs holds up no other. Between them it waits
 *
 * | when                                          | how long                             |
 * |-----------------------------------------------|--------------------------------------|
 * | something is left to be settled there         | 10 s                                 |
 * | it could not be reached, or was never reached | 1, 2, 4, 8, 10 s                     |
 * | endpoints use it, nothing is left             | 60 s                                 |
 * | nobody uses it, nothing is left               | until somebody does                  |
 *
 * One timer for all of them; none while there is nothing to wait for. Units that the store refused have the same timer.
 */
export class Recovery {
  readonly #core: CoordinatorCore;
  readonly #self: () => Witness;
  readonly #alarm: PreparedAlarm;
  #timer: Timer | undefined;
  #timerDueMs = Number.POSITIVE_INFINITY;
  #unitsDueMs: number | undefined;
  #writing: Promise<void> | undefined;

  constructor(core: CoordinatorCore, self: () => Witness) {
    this.#core = core;
    this.#self = self;
    this.#alarm = new PreparedAlarm(core);
  }

  /** A round as soon as the one that runs, if any, has ended. */
  lookAt(resource: UsedResource): void {
    resource.nextRoundMs = this.#nowMs;
    this.#arm();
  }

  /** One round from its beginning to its end; for operators, who wait for what comes of it. */
  async roundNow(resource: UsedResource): Promise<void> {
    while (resource.round !== undefined) await resource.round;
    await this.#round(resource);
  }

  /** A second unit is to be written: at once when it never was, else after a pause. */
  unitDue(delayMs = 0): void {
    this.#unitsDueMs = Math.min(this.#unitsDueMs ?? Number.POSITIVE_INFINITY, this.#nowMs + delayMs);
    this.#arm();
  }

  /** Writes what is due, and releases what may be released; for operators, who wait for what comes of it. */
  writeUnitsNow(): Promise<void> {
    this.#writing = this.#writeUnits(this.#writing);
    return this.#writing;
  }

  /** Ends the timer; resolves when no round runs any more. */
  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    await Promise.all([...this.#core.resources.values()].map(({ round }) => round));
    await this.#writing;
  }

  get #nowMs(): number {
    return this.#core.io.clock.monotonicNowMs();
  }

  #arm(): void {
    if (this.#core.isStopping) return;
    let dueMs = this.#unitsDueMs ?? Number.POSITIVE_INFINITY;
    for (const { nextRoundMs, round } of this.#core.resources.values()) {
      if (nextRoundMs !== undefined && round === undefined) dueMs = Math.min(dueMs, nextRoundMs);
    }
    if (this.#timer !== undefined && this.#timerDueMs === dueMs) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (dueMs === Number.POSITIVE_INFINITY) return;
    this.#timerDueMs = dueMs;
    this.#timer = this.#core.io.timers.after(dueMs - this.#nowMs, () => {
      this.#timer = undefined;
      this.#runDue();
    });
  }

  #runDue(): void {
    const nowMs = this.#nowMs;
    for (const resource of this.#core.resources.values()) {
      const { nextRoundMs, round } = resource;
      if (nextRoundMs !== undefined && nextRoundMs <= nowMs && round === undefined) void this.#round(resource);
    }
    if (this.#unitsDueMs !== undefined && this.#unitsDueMs <= nowMs) {
      this.#unitsDueMs = undefined;
      void this.writeUnitsNow();
    }
    this.#arm();
  }

  async #round(resource: UsedResource): Promise<void> {
    resource.nextRoundMs = undefined;
    const round = this.#tryRound(resource);
    resource.round = round;
    try {
      await round;
    } finally {
      resource.round = undefined;
      this.#arm();
    }
  }

  async #tryRound(resource: UsedResource): Promise<void> {
    try {
      const isLeft = await recoverResource(this.#core, resource, this.#self());
      resource.failures = 0;
      resource.noteContact(undefined);
      if (isLeft) this.#next(resource, PENDING_PERIOD_MS);
      else if (resource.uses.size > 0) this.#next(resource, IDLE_PERIOD_MS);
      else await resource.manager.close();
    } catch (error) {
      this.#failed(resource, asError(error));
    }
    this.#alarm.look(resource);
  }

  #failed(resource: UsedResource, error: Error): void {
    if (resource.trouble?.message !== error.message) {
      this.#core.logger.warn(`Recovery could not do its work in '${resource.name}': ${error.message}`, { error });
    }
    resource.noteContact(error);
    const isUrgent = hasPending(this.#core, resource) || resource.standing === 'unproven';
    if (!isUrgent && resource.uses.size === 0) return;
    const backoffMs = Math.min(RETRY_FIRST_MS * 2 ** resource.failures++, PENDING_PERIOD_MS);
    this.#next(resource, isUrgent && !isMisfit(error) ? backoffMs : IDLE_PERIOD_MS);
  }

  /** Unless somebody asked for an earlier one meanwhile. */
  #next(resource: UsedResource, delayMs: number): void {
    resource.nextRoundMs ??= this.#nowMs + delayMs;
  }

  /** Second units that are due, and the release of decisions whose branches have all ended. */
  async #writeUnits(before: Promise<void> | undefined): Promise<void> {
    await before;
    for (const pending of this.#core.pending.all()) {
      if (pending.owner !== 'recovery') continue;
      try {
        if (pending.due !== undefined) await pending.writeDue();
        else if (this.#isReleasable(pending)) await pending.release();
      } catch (error) {
        this.#core.logger.warn(`The end of transaction ${pending.id} could not be written down yet.`, { error });
        if (pending.due !== undefined) this.unitDue(RETRY_FIRST_MS);
      }
    }
  }

  /** In a store that went back in time the same sends may have left already: they wait for the operator's word. */
  #isReleasable({ record, state, hasEndedEverywhere, branches }: PendingTransaction): boolean {
    if (record.state !== 'decided' || !hasEndedEverywhere) return false;
    if (state.current !== 'decided' && state.current !== 'heuristic') return false;
    return !branches.some(({ resource }) => this.#core.records.fences.has(resource));
  }
}
