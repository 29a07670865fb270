import type { Resource } from '../../transactions/resource.ts';
import type { ResourceManager } from '../../transactions/resource-manager.ts';
import { enlistAmbient } from '../shared/enlist-ambient.ts';
import type { MysqlClient } from './guarded-connection.ts';
import { checkMysqlOptions, type MysqlResourceOptions } from './mysql-options.ts';
import { MysqlResourceManager } from './mysql-resource-manager.ts';

/**
 * A MariaDB (10.5 or newer) or MySQL (8 or newer) database that takes part in messages' transactions. Nothing is connected
 * before the first endpoint that lists it starts.
 *
 * @throws {PosthornError} INVALID_OPTION
 */
export function mysqlResource<const Name extends string>(options: MysqlResourceOptions<Name>): MysqlResource<Name> {
  return new MysqlResource(options.name, new MysqlResourceManager(checkMysqlOptions(options)));
}

export class MysqlResource<Name extends string = string> implements Resource<Name, MysqlClient> {
  readonly name: Name;
  readonly resourceManager: ResourceManager;
  declare readonly clientType?: MysqlClient;

  constructor(name: Name, resourceManager: ResourceManager) {
    this.name = name;
    this.resourceManager = resourceManager;
  }

  /**
   * As `query` of the driver, in the transaction that this code runs in: from anywhere below a handler or below the function
   * given to `endpoint.transaction`.
   *
   * @throws {PosthornError} NO_TRANSACTION outside of them, TRANSACTION_ENDED after their end, RESOURCE_NOT_LISTED,
   * RESOURCE_UNAVAILABLE
   */
  readonly query = (async (...given: Parameters<MysqlClient['query']>) =>
    (await this.#client()).query(...given)) as MysqlClient['query'];

  /** The same as a prepared statement. */
  readonly execute = (async (...given: Parameters<MysqlClient['execute']>) =>
    (await this.#client()).execute(...given)) as MysqlClient['execute'];

  async #client(): Promise<MysqlClient> {
    // What this resource's own branches hand out.
    return (await enlistAmbient(this.resourceManager)) as MysqlClient;
  }
}
