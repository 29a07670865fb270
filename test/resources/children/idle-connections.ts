import { postgresResource } from '../../../src/resources/postgres/postgres-resource.ts';

/** Uses a resource, does not close it, and has nothing more to do. */
const { resourceManager } = postgresResource({ name: 'orders', connectionString: process.argv[2] });
const id = {
  transaction: `P1.${'a'.repeat(26)}.${'a'.repeat(8)}.aaaaaa.${'a'.repeat(13)}`,
  qualifier: 'aaaaaaaaaaaaa.aa',
};
const branch = await resourceManager.begin({ id, isolationLevel: 'read committed', idleMsMax: 1000 });
await branch.rollback();
await resourceManager.recovery.scan();
