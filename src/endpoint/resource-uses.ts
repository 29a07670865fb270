import { InvalidOption } from '../message/errors.ts';
import type { TransactionMode } from '../pipeline/message-transaction.ts';
import type { ProtocolChoice } from '../transactions/distributed-transaction.ts';
import type { ResourceManager } from '../transactions/resource-manager.ts';
import type {
  ResourceUse,
  ResourceUseDescription,
  TransactionCoordinator,
} from '../transactions/transaction-coordinator.ts';
import type { ResourceView } from '../transactions/transaction-view.ts';

/**
 * The databases of one started endpoint: room in their pools for its handlers, and as much again for transactions of the
 * program from the first of these on.
 */
export class ResourceUses {
  readonly #parts: ResourceUsesParts;
  readonly #uses: ResourceUse[] = [];
  #programs: Promise<void> | undefined;

  private constructor(parts: ResourceUsesParts) {
    this.#parts = parts;
  }

  /** @throws as `TransactionCoordinator.use` */
  static async begin(parts: ResourceUsesParts): Promise<ResourceUses> {
    const uses = new ResourceUses(parts);
    if (parts.resources.length === 0 && parts.mode !== 'distributed') return uses;
    await uses.#use();
    if (!parts.hasHandlers) uses.#programs = Promise.resolve(); // the room is theirs
    return uses;
  }

  /** Undefined where the endpoint's messages need no coordinator. */
  get first(): ResourceUse | undefined {
    return this.#uses[0];
  }

  get fenced(): readonly ResourceView[] {
    return this.first?.fenced ?? [];
  }

  describe(): readonly ResourceUseDescription[] {
    return this.first?.describe() ?? [];
  }

  /** Before the first transaction of the program. @throws as `TransactionCoordinator.use`; then it may be asked again */
  readyForPrograms(): Promise<void> {
    this.#programs ??= this.#use().catch((error: unknown) => {
      this.#programs = undefined;
      throw error;
    });
    return this.#programs;
  }

  /** @throws {InvalidOption} pools are made at the start; two that run short would wait for each other */
  checkConcurrency(concurrency: number): void {
    const { resources, concurrency: countMax } = this.#parts;
    if (resources.length === 0 || concurrency <= countMax) return;
    throw new InvalidOption(
      'concurrency',
      `is ${concurrency}, but the endpoint's databases have connections for ${countMax} handlers since its start`,
      'Fewer may be set at any time; for more, stop it and start one with more.',
    );
  }

  release(): void {
    for (const use of this.#uses.splice(0)) use.release();
  }

  async #use(): Promise<void> {
    const { coordinator, endpoint, resources, protocol, concurrency } = this.#parts;
    this.#uses.push(await coordinator.use({ endpoint, resources, protocol, branchCount: concurrency }));
  }
}

export interface ResourceUsesParts {
  readonly coordinator: TransactionCoordinator;
  readonly endpoint: string;
  readonly resources: readonly ResourceManager[];
  readonly mode: TransactionMode;
  readonly protocol: ProtocolChoice;
  readonly concurrency: number;
  /** False: it only sends, so all room is for transactions of the program. */
  readonly hasHandlers: boolean;
}
