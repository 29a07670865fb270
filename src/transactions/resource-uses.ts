import { InvalidOption } from '../message/errors.ts';
import type { CoordinatorCore } from './coordinator-core.ts';
import { plannedProtocol } from './planned-protocol.ts';
import type { Recovery } from './recovery.ts';
import type { ResourceManager } from './resource-manager.ts';
import type { ResourceUse, ResourceUseDescription, UseRequest } from './transaction-coordinator.ts';
import type { ResourceView } from './transaction-view.ts';
import { isMisfit, type Needs, type ResourceOwner, UsedResource } from './used-resource.ts';

/**
 * Which endpoints use which databases. What cannot work is refused when the endpoint starts, with both numbers or the setting
 * to change; what cannot be reached is tried again in the background.
 */
export class ResourceUses {
  readonly #core: CoordinatorCore;
  readonly #recovery: Recovery;
  readonly #owner: ResourceOwner;
  readonly #viewOf: (resource: UsedResource) => ResourceView;
  readonly #listeners = new Set<() => void>();

  constructor(options: ResourceUsesOptions) {
    this.#core = options.core;
    this.#recovery = options.recovery;
    this.#owner = options.owner;
    this.#viewOf = options.viewOf;
  }

  /** Tells every endpoint that a resource may have changed its standing. */
  changed(): void {
    for (const listener of this.#listeners) listener();
  }

  async add(request: UseRequest): Promise<ResourceUse> {
    const { endpoint, branchCount } = request;
    const isForced = request.protocol === 'twoPhase';
    const needs: Needs = {
      endpoint,
      branchCount,
      twoPhase: isForced || request.resources.length > 1,
      marker: !isForced,
    };
    const resources = request.resources.map((manager) => this.#resourceOf(manager));
    for (const { uses } of resources) uses.add(needs);
    try {
      for (const resource of resources) sizePool(resource);
      await Promise.all(resources.map((resource) => this.#tryContact(resource)));
    } catch (error) {
      for (const { uses } of resources) uses.delete(needs);
      throw error;
    }
    for (const resource of resources) this.#recovery.lookAt(resource);
    return this.#makeUse(request, resources, needs);
  }

  async #tryContact(resource: UsedResource): Promise<void> {
    resource.requireFitness();
    try {
      await resource.readiness();
    } catch (error) {
      if (isMisfit(error)) throw error;
      const text = error instanceof Error ? error.message : String(error);
      this.#core.logger.warn(`Database '${resource.name}' cannot take part in transactions yet: ${text}`, { error });
    }
  }

  #resourceOf(manager: ResourceManager): UsedResource {
    const known = this.#core.resources.get(manager.name);
    if (known?.manager === manager) return known;
    if (known !== undefined && known.uses.size > 0) {
      throw new InvalidOption(
        'resources',
        `names two databases '${manager.name}' in one process`,
        'Make each database once and list that value wherever it is used, or give them different names.',
      );
    }
    const resource = new UsedResource(manager, this.#core.io, this.#owner);
    for (const [key, watched] of known?.watched ?? []) resource.watched.set(key, watched);
    this.#core.resources.set(manager.name, resource);
    return resource;
  }

  #makeUse(request: UseRequest, resources: readonly UsedResource[], needs: Needs): ResourceUse {
    const viewOf = this.#viewOf;
    const own = new Set<() => void>();
    const changed = (): void => {
      for (const listener of own) listener();
    };
    this.#listeners.add(changed);
    return {
      get fenced() {
        return resources.filter(({ refusesBranches }) => refusesBranches).map(viewOf);
      },
      onChange: (listener) => own.add(listener),
      describe: () => resources.map((resource) => describeUse(request, resource)),
      release: () => {
        this.#listeners.delete(changed);
        for (const resource of resources) {
          if (resource.uses.delete(needs)) this.#recovery.lookAt(resource);
        }
      },
    };
  }
}

interface ResourceUsesOptions {
  readonly core: CoordinatorCore;
  readonly recovery: Recovery;
  readonly owner: ResourceOwner;
  readonly viewOf: (resource: UsedResource) => ResourceView;
}

/** What does not depend on any server. @throws {InvalidOption} */
export function checkUse({ resources, protocol }: UseRequest): void {
  const names = new Set(resources.map(({ name }) => name));
  if (names.size < resources.length) {
    throw new InvalidOption('resources', 'lists two databases of one name', 'Give each database a name of its own.');
  }
  if (protocol === 'marker' && resources.length > 1) {
    throw new InvalidOption(
      'transactions.protocol',
      `is 'marker', which takes one database, and ${resources.length} are listed (${[...names].join(', ')})`,
      `Use 'auto', which takes the marker row whenever one database writes, or list one database.`,
    );
  }
}

/** Two pools that wait for each other would stop both endpoints. */
function sizePool(resource: UsedResource): void {
  const { poolSize } = resource.manager;
  const { branchCount } = resource;
  if (poolSize !== undefined && branchCount > poolSize) {
    throw new InvalidOption(
      'poolSize',
      `of the database '${resource.name}' is ${poolSize}, and its endpoints may have ${branchCount} transactions at a time`,
      `Raise it to ${branchCount} or more, leave it out, or lower the concurrency of the endpoints.`,
    );
  }
  resource.manager.sizePool(branchCount);
}

function describeUse({ protocol, resources }: UseRequest, resource: UsedResource): ResourceUseDescription {
  const words = plannedProtocol(protocol, resources.length);
  return { resource: resource.name, inspection: resource.inspection, protocol: words };
}
