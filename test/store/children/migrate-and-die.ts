import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { MIGRATIONS, prepareSchema } from '../../../src/store/schema.ts';

/* Migrates the store `directory`, and is killed when all steps are done and nothing is committed yet. */

const [directory = ''] = process.argv.slice(2);
const databasePath = join(directory, 'posthorn.db');
const database = new DatabaseSync(databasePath);
// So small a cache that what the migration writes is in the log before the commit.
database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA cache_size = 1');
prepareSchema(database, {
  databasePath,
  newStoreId: '',
  migrations: [...MIGRATIONS, () => process.kill(process.pid, 'SIGKILL')],
});
