import { failpoint } from '../io/failpoint.ts';
import type { Io } from '../io/io.ts';
import { isPosthornError, type PosthornError } from '../message/posthorn-error.ts';
import { asError } from './as-error.ts';
import type { BranchClass } from './classify-branch.ts';
import { ResourceFenced, ResourceUnavailable, ResourceUnfit } from './errors.ts';
import { recoveryUntil } from './recovery-until.ts';
import type {
  FoundBranch,
  ResourceInspection,
  ResourceManager,
  ResourceRecovery,
  Witness,
} from './resource-manager.ts';
import { fenceWords } from './sentences.ts';
import type { FenceRecord } from './transaction-record.ts';
import { unlessAborted } from './unless-aborted.ts';

/**
 * One database that endpoints use, or used since the queue manager was opened.
 *
 *     unproven ──contact(): fit, tables there, witness raised──▶ ready ──witness is another's──▶ fenced
 *        │  └──cannot be reached──▶ unproven (tried again)                                         │
 *        ├──the server cannot do what is needed──▶ unfit (tried again)        accept() ──▶ ready ◀─┘
 *        └──witness refused──▶ fenced
 *
 * Invariants
 * - No branch begins before the witness of this opening stands in the database.
 * - `fenced` is durable before anybody hears of it, and ends by an operator alone.
 * - A marker table is never made while transactions are in doubt there: an empty one would say that none has committed.
 */
export class UsedResource {
  readonly name: string;
  readonly manager: ResourceManager;
  /** The manager's, until the coordinator gives up waiting for databases. */
  readonly recovery: ResourceRecovery;
  readonly uses = new Set<Needs>();
  /** By branch id: what may become prepared, or is and must not stay; see recover-resource.ts. */
  readonly watched = new Map<string, WatchedBranch>();
  /** Of the last scan. */
  found: readonly ClassifiedBranch[] = [];
  inspection: ResourceInspection | undefined;
  hasCleanedLeftovers = false;
  /** Of recovery: see recovery.ts. */
  nextRoundMs: number | undefined;
  round: Promise<void> | undefined;
  failures = 0;
  readonly #io: Io;
  readonly #owner: ResourceOwner;
  #standing: Standing;
  #sinceMs: number;
  /** Why it was not reached the last time, or cannot be used. */
  #trouble: Error | undefined;
  #contact: Promise<void> | undefined;
  #raisedEpoch = 0;

  constructor(manager: ResourceManager, io: Io, owner: ResourceOwner) {
    this.name = manager.name;
    this.manager = manager;
    this.recovery = recoveryUntil(owner.givenUp, manager.recovery);
    this.#io = io;
    this.#owner = owner;
    this.#standing = owner.fenceOf(this.name) === undefined ? 'unproven' : 'fenced';
    this.#sinceMs = owner.fenceOf(this.name)?.sinceMs ?? io.clock.wallNowMs();
  }

  get standing(): Standing {
    return this.#standing;
  }

  /** Unix time of the last change. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  get trouble(): Error | undefined {
    return this.#trouble;
  }

  get branchCount(): number {
    let sum = 0;
    for (const use of this.uses) sum += use.branchCount;
    return sum;
  }

  get refusesBranches(): boolean {
    return this.#standing === 'fenced' || this.#standing === 'unfit';
  }

  /**
   * Undefined when branches may begin; else tries to get there now.
   *
   * @throws {PosthornError} RESOURCE_FENCED, RESOURCE_UNFIT, RESOURCE_TABLES_MISSING, RESOURCE_UNAVAILABLE
   */
  readiness(): Promise<void> | undefined {
    const overdue = this.#owner.overdue();
    if (overdue !== undefined) return overdue.then(() => this.readiness());
    return this.#standing === 'ready' && this.#raisedEpoch >= this.#owner.witness().epoch ? undefined : this.contact();
  }

  /** The next epoch is about to begin. A database that cannot take it now does before its next branch. */
  async raiseTo(witness: Witness): Promise<void> {
    if (this.#standing !== 'ready') return;
    try {
      await this.#raise(witness);
    } catch (error) {
      this.noteContact(asError(error));
    }
  }

  /** Looks whether the server is fit, makes the tables, raises the witness. One at a time. */
  contact(): Promise<void> {
    if (this.#standing === 'fenced') return Promise.reject(this.#fenced());
    this.#contact ??= this.#tryContact().finally(() => {
      this.#contact = undefined;
    });
    return this.#contact;
  }

  /** The witness once more: another life may have raised it. @throws when it cannot be read */
  async checkWitness(): Promise<void> {
    const wanted = this.#owner.witness();
    const found = await this.recovery.witness.read(wanted.queueManager);
    if (found === undefined || !isOfThisOpening(found, wanted)) await this.#raise(wanted);
  }

  /** An operator accepts this store as it is. The fence goes after the witness: a crash between leaves it fenced. */
  async accept(deleteFence: () => Promise<void>): Promise<void> {
    await this.recovery.witness.replace(this.#owner.witness());
    await this.#endFence(deleteFence);
  }

  /** An operator has told what committed while the marker table is gone. What the witness says counts as before. */
  async acceptEmptyMarkers(deleteFence: () => Promise<void>): Promise<void> {
    await this.#unlessGivenUp(this.manager.setup.createTables());
    await this.#endFence(deleteFence);
  }

  async #endFence(deleteFence: () => Promise<void>): Promise<void> {
    await deleteFence();
    this.#become('unproven');
    try {
      await this.contact();
    } catch (error) {
      // There was another reason behind the first; the standing says so.
      if (!isPosthornError(error, 'RESOURCE_FENCED')) throw error;
    }
  }

  /** One endpoint more uses it. @throws {ResourceUnfit} what is known of the server does not suffice for that */
  requireFitness(): void {
    if (this.inspection !== undefined) this.#requireFitness(this.inspection);
  }

  /** Something was asked of the database, and this came of it. */
  noteContact(trouble: Error | undefined): void {
    if ((trouble === undefined) !== (this.#trouble === undefined) && this.#standing !== 'fenced') {
      this.#sinceMs = this.#io.clock.wallNowMs();
    }
    const isUsableAgain = trouble === undefined && this.#trouble !== undefined && this.#standing !== 'fenced';
    this.#trouble = trouble;
    if (isUsableAgain) this.#owner.usableAgain(this.name);
  }

  async #tryContact(): Promise<void> {
    try {
      const { setup } = this.manager;
      this.inspection = await this.#unlessGivenUp(setup.inspect());
      this.#requireFitness(this.inspection);
      await this.#requireMarkers();
      await this.#unlessGivenUp(setup.createTables());
      await this.#raise(this.#owner.witness());
    } catch (error) {
      if (isPosthornError(error, 'RESOURCE_FENCED')) throw error;
      const cause = error instanceof Error ? error : undefined;
      this.noteContact(cause);
      if (isMisfit(error)) {
        this.#become('unfit');
        throw error;
      }
      this.#become('unproven');
      throw isPosthornError(error, 'RESOURCE_UNAVAILABLE') ? error : this.#unavailable(error);
    }
    this.noteContact(undefined);
    this.#become('ready');
    failpoint('recovery.after-witness');
  }

  async #requireMarkers(): Promise<void> {
    const { setup } = this.manager;
    if (!this.#owner.needsMarkers(this.name) || (await this.#unlessGivenUp(setup.hasMarkerTable()))) return;
    await this.#owner.fenceForMarkers(this.name);
    this.#become('fenced');
    throw this.#fenced();
  }

  #unlessGivenUp<Answer>(answer: Promise<Answer>): Promise<Answer> {
    return unlessAborted(answer, this.#owner.givenUp);
  }

  async #raise(wanted: Witness): Promise<void> {
    const { witness } = this.recovery;
    const answer = await witness.raise(wanted);
    // A later epoch of this opening may have overtaken it.
    const isOurs = answer.kind === 'raised' || isOfThisOpening(answer.found, wanted);
    if (!isOurs && this.#owner.wasOurs(answer.found)) await witness.replace(wanted);
    if (isOurs || this.#owner.wasOurs(answer.found)) {
      this.#raisedEpoch = Math.max(this.#raisedEpoch, wanted.epoch);
      return;
    }
    await this.#owner.fence(this.name, answer.found);
    this.#become('fenced');
    throw this.#fenced();
  }

  #fenced(): ResourceFenced {
    const fence = this.#owner.fenceOf(this.name);
    return new ResourceFenced(this.name, fence === undefined ? 'its witness is another one' : fenceWords(fence));
  }

  #requireFitness(inspection: ResourceInspection): void {
    for (const { twoPhase, marker, branchCount } of this.uses) {
      const obstacle =
        (twoPhase ? inspection.twoPhaseObstacle : undefined) ?? (marker ? inspection.markerObstacle : undefined);
      if (obstacle !== undefined) throw new ResourceUnfit(this.name, obstacle.what, obstacle.mend);
      const { preparedMax } = inspection;
      if (twoPhase && preparedMax !== undefined && preparedMax < branchCount) {
        throw new ResourceUnfit(
          this.name,
          `the server keeps ${preparedMax} prepared transactions at a time, and ${branchCount} may be needed`,
          `Raise max_prepared_transactions to ${branchCount} or more and restart the server, or lower the concurrency.`,
        );
      }
    }
  }

  #unavailable(error: unknown): ResourceUnavailable {
    const { host, port, database } = this.manager.target;
    const why = error instanceof Error ? error.message : String(error);
    return new ResourceUnavailable(this.name, `${host}:${port}/${database}`, why, { cause: error });
  }

  #become(standing: Standing): void {
    if (this.#standing === standing) return;
    this.#standing = standing;
    this.#sinceMs = this.#io.clock.wallNowMs();
    this.#owner.changed();
  }
}

export type Standing = 'unproven' | 'ready' | 'unfit' | 'fenced';

/** What one endpoint needs of it. */
export interface Needs {
  readonly endpoint: string;
  readonly branchCount: number;
  readonly twoPhase: boolean;
  readonly marker: boolean;
}

export interface WatchedBranch {
  readonly transaction: string;
  readonly qualifier: string;
  /** Of an unknown prepare: until it is gone, the branch may become prepared. Undefined: it is prepared. */
  session: string | undefined;
  lastAnswer: string | undefined;
  attempts: number;
  readonly sinceMs: number;
}

export interface ClassifiedBranch {
  readonly branch: FoundBranch;
  readonly kind: BranchClass;
  /** Monotonic time of the first scan that saw it. */
  readonly firstSeenMs: number;
  /** Monotonic time of the last one, which told `branch`. */
  readonly scannedMs: number;
  readonly lastAnswer: string | undefined;
  readonly attempts: number;
}

export interface ResourceOwner {
  /** Of this opening. */
  witness(): Witness;
  /** Undefined while branches may begin; else resolves when the next epoch stands. */
  overdue(): Promise<void> | undefined;
  fenceOf(resource: string): FenceRecord | undefined;
  /** Makes it durable that nothing may be presumed there. */
  fence(resource: string, found: Witness): Promise<void>;
  /** True while something in doubt there is told by its marker row alone. */
  needsMarkers(resource: string): boolean;
  /** Makes it durable that the marker table is gone, and that nothing may be presumed there. */
  fenceForMarkers(resource: string): Promise<void>;
  /** True for the witness that we wrote before an operator accepted this store: it only missed the change. */
  wasOurs(found: Witness): boolean;
  changed(): void;
  /** After trouble of which the log told. */
  usableAgain(resource: string): void;
  /** Aborted when nobody waits for databases any more. */
  readonly givenUp: AbortSignal;
}

/** How long the branch has been prepared, as far as anybody can tell. */
export function preparedForMs({ branch, firstSeenMs, scannedMs }: ClassifiedBranch, nowMs: number): number {
  return branch.ageMs === undefined ? nowMs - firstSeenMs : branch.ageMs + nowMs - scannedMs;
}

/** Errors that no waiting mends: somebody has to change something. */
export function isMisfit(error: unknown): error is PosthornError {
  return MISFITS.some((code) => isPosthornError(error, code));
}

const MISFITS = ['RESOURCE_UNFIT', 'RESOURCE_TABLES_MISSING', 'DRIVER_MISSING', 'INVALID_OPTION'];

function isOfThisOpening(found: Witness, own: Witness): boolean {
  return found.generation === own.generation && found.opening === own.opening;
}
