import type { ResourceManager } from './resource-manager.ts';

/**
 * A database as its user holds it: made once by `postgresResource` or `mysqlResource`, listed in an endpoint's `resources`,
 * used in handlers by `context.resource(orders)` or, ambient, by its own `query`. `Name` tells resources apart at compile
 * time, `Client` is what handlers get.
 */
export interface Resource<Name extends string = string, Client = unknown> {
  readonly name: Name;
  readonly resourceManager: ResourceManager;
  /** Never there; carries the type. */
  readonly clientType?: Client;
}

export type ClientOf<R extends Resource> = R extends Resource<string, infer Client> ? Client : never;
