import { invariant, isPosthornError } from '../message/posthorn-error.ts';
import type { CoordinatorCore } from './coordinator-core.ts';
import { ResourceNotListed, StatementStillRunning, TransactionEnded } from './errors.ts';
import { IDLE_MARGIN_MS } from './limits.ts';
import type { Branch, BranchRequest, ResourceManager } from './resource-manager.ts';
import type { BegunBranches, TransactionAtHand } from './transaction-at-hand.ts';
import { formatBranchQualifier } from './transaction-id.ts';
import { unlessAborted } from './unless-aborted.ts';
import type { UsedResource } from './used-resource.ts';

/**
 * The branches of one transaction.
 *
 * A resource has one branch, begun by its first use; uses at the same time wait for the same one. A begin that failed is
 * tried again by the next use, under another qualifier. One that is still under way when the handlers are done means
 * that somebody did not await it: the transaction rolls back.
 */
export class Branches implements BegunBranches {
  readonly #core: CoordinatorCore;
  readonly #transaction: Pick<TransactionAtHand, 'id' | 'request' | 'state'>;
  readonly #begins = new Map<ResourceManager, Promise<Branch>>();
  readonly #begun: Branch[] = [];
  /** Committed, as they had nothing to lose. */
  readonly #over = new Set<Branch>();
  #ordinal = 0;

  constructor(core: CoordinatorCore, transaction: Pick<TransactionAtHand, 'id' | 'request' | 'state'>) {
    this.#core = core;
    this.#transaction = transaction;
  }

  get isEmpty(): boolean {
    return this.#begins.size === 0;
  }

  get all(): readonly Branch[] {
    return this.#begun;
  }

  async enlist(resource: ResourceManager): Promise<unknown> {
    const known = this.#begins.get(resource);
    if (known !== undefined) return (await known).client;
    const begin = this.#begin(resource);
    this.#begins.set(resource, begin);
    try {
      return (await begin).client;
    } catch (error) {
      if (this.#begins.get(resource) === begin) this.#begins.delete(resource);
      throw error;
    }
  }

  /**
   * The handlers are done. Commits what only read.
   *
   * @returns those that wrote
   * @throws the first reason why the transaction cannot commit; then all are to be rolled back
   */
  async end(): Promise<readonly Branch[]> {
    this.#requireAllBegun();
    const ends = await this.#unlessGivenUp(Promise.allSettled(this.#begun.map((branch) => branch.end())));
    const writers: Branch[] = [];
    const readers: Branch[] = [];
    for (const [index, end] of ends.entries()) {
      if (end.status === 'rejected') throw end.reason;
      const branch = this.#begun[index];
      if (branch !== undefined) (end.value.hasWritten ? writers : readers).push(branch);
    }
    const reads = await this.#unlessGivenUp(Promise.allSettled(readers.map((branch) => this.#commitReader(branch))));
    for (const read of reads) if (read.status === 'rejected') throw read.reason;
    return writers;
  }

  /** Also those whose begin is under way: their connections must not stay behind. */
  async rollback(): Promise<void> {
    try {
      await this.#unlessGivenUp(this.#rollBackAll());
    } catch {
      // Given up: its connections are cut sooner or later, and then the server rolls back by itself.
    }
  }

  async #rollBackAll(): Promise<void> {
    await Promise.allSettled([...this.#begins.values()]);
    const open = this.#begun.filter((branch) => !this.#over.has(branch));
    await Promise.allSettled(open.map((branch) => branch.rollback()));
  }

  #unlessGivenUp<Answer>(answer: Promise<Answer>): Promise<Answer> {
    return unlessAborted(answer, this.#transaction.request.givenUp);
  }

  async #commitReader(branch: Branch): Promise<void> {
    await branch.commitReadOnly();
    this.#over.add(branch);
  }

  async #begin(resource: ResourceManager): Promise<Branch> {
    const { request, id } = this.#transaction;
    if (!request.resources.includes(resource)) {
      const listed = request.resources.map(({ name }) => name);
      throw new ResourceNotListed(resource.name, request.endpoint, listed);
    }
    const used = this.#core.resourceOf(resource);
    invariant(used !== undefined, `endpoint '${request.endpoint}' has said that it uses '${resource.name}'`);
    await used.readiness();
    this.#requireActive();
    const branch = await this.#ask(resource, used, {
      id: { transaction: id, qualifier: formatBranchQualifier(resource.name, this.#ordinal++) },
      isolationLevel: request.isolationLevel,
      idleMsMax: request.timeoutMs + IDLE_MARGIN_MS,
      ...(request.signal !== undefined && { signal: request.signal }),
    });
    this.#begun.push(branch);
    // When the transaction ended meanwhile, `rollback` has waited for this begin and ends the branch.
    this.#requireActive();
    return branch;
  }

  /** Operators see at once that a database cannot be reached, and that it can be again. */
  async #ask(resource: ResourceManager, used: UsedResource, request: BranchRequest): Promise<Branch> {
    try {
      const branch = await resource.begin(request);
      if (used.trouble !== undefined) used.noteContact(undefined);
      return branch;
    } catch (error) {
      if (isPosthornError(error, 'RESOURCE_UNAVAILABLE')) used.noteContact(error);
      throw error;
    }
  }

  #requireActive(): void {
    const { current } = this.#transaction.state;
    if (current !== 'active' && current !== 'ending') throw new TransactionEnded(current);
  }

  #requireAllBegun(): void {
    if (this.#begun.length === this.#begins.size) return;
    const pending = [...this.#begins.keys()].find(
      (resource) => !this.#begun.some((branch) => branch.resource === resource),
    );
    throw new StatementStillRunning(pending?.name ?? '', 'the first one, which begins the branch');
  }
}
