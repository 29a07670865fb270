import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { NewerStore, NotAStore, StoreDamaged, StoreFull, StoreOwned, StoreUnreachable } from './errors.ts';
import { isStale, OWNER_FILE, type OwnerRecord, readOwnerRecord } from './owner-record.ts';
import { reachDirectory } from './reach-directory.ts';
import { APPLICATION_ID, MIGRATIONS, type Migration, PAGE_BYTES, prepareSchema, readPragma } from './schema.ts';
import { sqliteFailure } from './sqlite-failure.ts';

/**
 * Opens the database of a store directory and holds its lock from then on.
 *
 * What is there is looked at first without touching it (read-only, `immutable`: no lock, no recovery, no new file), so
 * that a directory that is not ours, newer, or not writable is left as it was. The look goes through SQLite and never
 * through `node:fs`: closing any descriptor of the file would drop the locks that this process holds on it.
 *
 * The lock is SQLite's exclusive lock, taken by the first access in `locking_mode=EXCLUSIVE`: it also keeps the index of the
 * write-ahead log in memory, so that the directory needs no shared-memory file, and it dies with the process.
 *
 * @throws StoreOwned, NotAStore, NewerStore, StoreDamaged, StoreUnreachable
 */
export function openStoreDirectory(options: OpenDirectoryOptions): DatabaseSync {
  const { directory } = options;
  // Left by a run as another user, a file would show as a failing disk.
  reachDirectory(directory, [DATABASE_FILE, `${DATABASE_FILE}-wal`]);
  const databasePath = join(directory, DATABASE_FILE);
  let database: DatabaseSync | undefined;
  try {
    inspect(directory, databasePath, options.migrations ?? MIGRATIONS);
    database = new DatabaseSync(databasePath, { enableForeignKeyConstraints: false, timeout: 0 });
    database.exec('PRAGMA locking_mode = EXCLUSIVE');
    // Only for a new one: on an existing database the second is a write, and a store on a failed disk may still be read.
    const isNew = readPragma(database, 'page_count') === 0;
    if (isNew) database.exec(`PRAGMA page_size = ${PAGE_BYTES}; PRAGMA auto_vacuum = INCREMENTAL`);
    database.exec('PRAGMA journal_mode = WAL');
    configure(database, options.synchronous ?? 'FULL');
    prepareSchema(database, { ...options, databasePath });
    return database;
  } catch (error) {
    if (database?.isOpen) database.close();
    throw explain(error, options);
  }
}

/** The same database without a disk: what it holds lives as long as the value that is returned. */
export function openMemoryDatabase(options: { readonly newStoreId: string }): DatabaseSync {
  const database = new DatabaseSync(':memory:', { enableForeignKeyConstraints: false });
  configure(database, 'FULL');
  prepareSchema(database, { ...options, databasePath: ':memory:' });
  return database;
}

export interface OpenDirectoryOptions {
  readonly directory: string;
  readonly newStoreId: string;
  readonly bootId: string | undefined;
  /** `NORMAL` only in the test that proves that tests notice a missing sync. */
  readonly synchronous?: 'FULL' | 'NORMAL';
  /** Tests only. */
  readonly migrations?: readonly Migration[];
}

export const DATABASE_FILE = 'posthorn.db';
export const RESERVE_FILE = 'reserve';

function configure(database: DatabaseSync, synchronous: 'FULL' | 'NORMAL'): void {
  database.exec(`PRAGMA synchronous = ${synchronous}`);
  // Checkpoints are the store's own business (store-core.ts): SQLite's would run inside a commit that somebody waits for.
  database.exec('PRAGMA wal_autocheckpoint = 0');
  // 4 and 16 MB were equally fast with 500,000 messages waiting; memory must not grow with the backlog.
  database.exec('PRAGMA cache_size = -8000');
  database.exec(`PRAGMA journal_size_limit = ${WAL_FILE_BYTES_MAX}`);
  database.exec('PRAGMA temp_store = MEMORY');
  database.exec('PRAGMA trusted_schema = OFF');
}

/** A large unit makes the log's file larger for once; it is cut back to this. */
const WAL_FILE_BYTES_MAX = 16 * 1024 * 1024;

/** Looks without touching; refuses what cannot be opened. */
function inspect(directory: string, databasePath: string, migrations: readonly Migration[]): void {
  const size = statSync(databasePath, { throwIfNoEntry: false })?.size;
  if (size === undefined || size === 0) {
    // The owner record is only written when the database's first page is on its way, so one without the other is a loss.
    const witness = [OWNER_FILE, RESERVE_FILE].find((file) => existsSync(join(directory, file)));
    if (witness === undefined) return;
    throw new StoreDamaged(
      directory,
      `'${DATABASE_FILE}' is ${size === undefined ? 'missing' : 'empty'}, but '${witness}' shows that there was a store`,
    );
  }
  const url = pathToFileURL(databasePath);
  url.search = 'immutable=1&mode=ro';
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(url, { readOnly: true, defensive: false });
    // Of a process that died while it copied its log, this file may name pages that it does not have yet: opening it with
    // the log makes it whole. Without this, SQLite would call it damaged; nothing is written either way.
    database.exec('PRAGMA writable_schema = ON');
    const applicationId = readPragma(database, 'application_id');
    const version = readPragma(database, 'user_version');
    // A creation that was cut off before its first checkpoint leaves a database without tables.
    const isEmpty = database.prepare('SELECT 1 FROM sqlite_master LIMIT 1').get() === undefined;
    if (isEmpty && applicationId === 0) return;
    if (applicationId !== APPLICATION_ID) throw new NotAStore(databasePath, applicationId);
    if (version > migrations.length - 1) throw new NewerStore(databasePath, version, migrations.length - 1);
  } catch (error) {
    if (sqliteFailure(error) !== 'damaged') throw error;
    if (!existsSync(join(directory, OWNER_FILE))) throw new NotAStore(databasePath, undefined);
    throw new StoreDamaged(directory, `'${DATABASE_FILE}' is not a database any more`);
  } finally {
    database?.close();
  }
}

function explain(error: unknown, options: OpenDirectoryOptions): unknown {
  const { directory } = options;
  switch (sqliteFailure(error)) {
    case 'busy': {
      const record = readOwnerRecord(directory);
      return ownedBy(resolve(directory), record, isStale(record, options.bootId));
    }
    case 'damaged':
      return new StoreDamaged(directory, (error as Error).message);
    case 'full':
      return new StoreFull(0);
    case 'disk':
      return new StoreUnreachable(directory, (error as Error).message);
    default:
      return error;
  }
}

function ownedBy(directory: string, record: OwnerRecord | undefined, isStarting: boolean): StoreOwned {
  if (record === undefined || isStarting) {
    return new StoreOwned(directory, 'a process that has just started', 'Try again in a moment.', 'starting');
  }
  const what = record.purpose === 'cli' ? 'a command of the posthorn CLI' : 'a queue manager';
  const owner = `${what}, process ${record.pid} on ${record.host} since ${record.startedAt}`;
  return record.purpose === 'cli'
    ? new StoreOwned(directory, owner, 'Wait until the command has ended.', 'cli')
    : new StoreOwned(
        directory,
        owner,
        `Use its queue manager (a send-only endpoint, or the CLI on the same directory), stop process ${record.pid}, or name another directory.`,
        'queue-manager',
      );
}
