import { InvalidOption } from '../message/errors.ts';
import type { Resource } from '../transactions/resource.ts';
import type { ResourceManager } from '../transactions/resource-manager.ts';

/**
 * The resource managers of an endpoint, in the order in which it lists its resources.
 *
 * @throws {InvalidOption} something is no resource, or two have one name, by which records tell them apart
 */
export function resolveResources(resources: readonly Resource[]): readonly ResourceManager[] {
  const names = new Set<string>();
  for (const [index, resource] of resources.entries()) {
    const option = `resources[${index}]`;
    if (!isResource(resource)) {
      throw new InvalidOption(option, 'is no resource', 'Make it with postgresResource or mysqlResource.');
    }
    if (names.has(resource.name)) {
      throw new InvalidOption(
        option,
        `is the second one named '${resource.name}'`,
        'Give each resource a name of its own.',
      );
    }
    names.add(resource.name);
  }
  return resources.map(({ resourceManager }) => resourceManager);
}

/** Users of JavaScript may put the driver's own pool here. */
function isResource(value: unknown): value is Resource {
  if (typeof value !== 'object' || value === null) return false;
  const { name, resourceManager } = value as Partial<Resource>;
  return typeof name === 'string' && typeof resourceManager?.begin === 'function';
}
