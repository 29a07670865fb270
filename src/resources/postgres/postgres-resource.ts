import type { PoolClient, Submittable } from 'pg';
import type { Resource } from '../../transactions/resource.ts';
import type { ResourceManager } from '../../transactions/resource-manager.ts';
import { enlistAmbient } from '../shared/enlist-ambient.ts';
import { PostgresManager } from './postgres-manager.ts';
import { type PostgresOptions, resolvePostgresOptions } from './postgres-options.ts';

/**
 * A PostgreSQL database that takes part in messages' transactions. Nothing is connected before the first use.
 *
 * @throws {PosthornError} INVALID_OPTION with the nearest that exists
 */
export function postgresResource<const Name extends string>(options: PostgresOptions<Name>): PostgresResource<Name> {
  return new PostgresResource(options.name, new PostgresManager(resolvePostgresOptions(options)));
}

/** The driver's own client, enlisted: `connect`, `release` and `end` do nothing, and COMMIT or ROLLBACK are refused. */
export type PostgresClient = PoolClient;

export class PostgresResource<Name extends string = string> implements Resource<Name, PostgresClient> {
  readonly name: Name;
  readonly resourceManager: ResourceManager;
  declare readonly clientType?: PostgresClient;

  constructor(name: Name, resourceManager: ResourceManager) {
    this.name = name;
    this.resourceManager = resourceManager;
  }

  /**
   * As the driver's `client.query`, in the transaction that the calling code runs in, from anywhere below a handler or
   * `endpoint.transaction`. A resource of that name is enlisted by its first use.
   *
   * @throws {PosthornError} NO_TRANSACTION outside of any, TRANSACTION_ENDED after the handler's end
   */
  readonly query: PostgresClient['query'] = ((...given: readonly unknown[]): unknown => {
    const [first] = given;
    if (isSubmittable(first)) {
      this.#enlist().then(
        (client) => Reflect.apply(client.query, client, given),
        (error: Error) => first.handleError(error),
      );
      return first;
    }
    const callback = given.find((value) => typeof value === 'function');
    if (callback === undefined) return this.#enlist().then((client) => Reflect.apply(client.query, client, given));
    this.#enlist().then(
      (client) => Reflect.apply(client.query, client, given),
      (error: Error) => callback(error),
    );
    return undefined;
  }) as PostgresClient['query'];

  async #enlist(): Promise<PostgresClient> {
    return (await enlistAmbient(this.resourceManager)) as PostgresClient;
  }
}

function isSubmittable(config: unknown): config is Submittable & { handleError(error: Error): void } {
  return typeof config === 'object' && config !== null && 'submit' in config && 'handleError' in config;
}
