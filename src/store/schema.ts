import type { DatabaseSync } from 'node:sqlite';
import { NewerStore, NotAStore } from './errors.ts';

/**
 * Brings a database to the present layout: makes it when it is empty, migrates it when it is older, refuses it when it
 * is newer or not ours.
 *
 * Every step from one version to the next is one entry of `MIGRATIONS`; creation runs them all from nothing. All steps
 * that are due run in one transaction together with the new version number, so a process that is killed between them
 * leaves the old layout whole.
 *
 * Layout, and why it is so:
 * - `message.id` is place << 48 | position, computed in SQL: an integer primary key is the table's own order, so a
 *   place is one range of the table, and JavaScript never needs a BigInt. `headers` stands before `body`, so that a read
 *   of headers does not touch the overflow pages of a large body.
 * - the index on `deadline` is partial: messages without one cost nothing there.
 * - `tally` holds what every group changes beside its messages, so that it is one page of each COMMIT and not two: in the
 *   row of a place `first` counts its messages and `second` their bytes, in the transaction of the messages. In row 0
 *   `first` is the unit serial, which counts units in the order in which they were handed over and tells, after a failed
 *   sync, which of them are there; `second` is the reserved sequence, above every sequence that may be in use.
 * - `progress` is one row of what rarely changes; `epoch` counts openings, so that a reopened store knows whether somebody
 *   else was here meanwhile.
 * - page size 8 KiB: measured against 4 and 16 KiB at 64 cycles a group with 500,000 messages waiting 115,000 against
 *   97,000 cycles/s (five 1.4 KB messages fit a page, not two); 16 KiB made a lone commit 40 % dearer.
 * - incremental auto-vacuum cost nothing measurable and lets space go back to the file system.
 */
export function prepareSchema(database: DatabaseSync, options: SchemaOptions): void {
  const migrations = options.migrations ?? MIGRATIONS;
  const isEmpty = database.prepare('SELECT 1 FROM sqlite_master LIMIT 1').get() === undefined;
  const applicationId = readPragma(database, 'application_id');
  if (!isEmpty && applicationId !== APPLICATION_ID) throw new NotAStore(options.databasePath, applicationId);
  const found = isEmpty ? EMPTY : readPragma(database, 'user_version');
  if (found > migrations.length - 1) throw new NewerStore(options.databasePath, found, migrations.length - 1);
  if (found === migrations.length - 1) return;
  database.exec('BEGIN IMMEDIATE');
  try {
    for (const migrate of migrations.slice(found + 1)) migrate(database, options.newStoreId);
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
    database.exec(`PRAGMA user_version = ${migrations.length - 1}`);
    database.exec('COMMIT');
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
  // The look before the next opening reads the main file only (see inspect-database.ts).
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
}

export interface SchemaOptions {
  /** For error texts. */
  readonly databasePath: string;
  /** The identity that the directory gets when it is made now. */
  readonly newStoreId: string;
  /** Other steps than `MIGRATIONS`; tests only. */
  readonly migrations?: readonly Migration[];
}

/** Changes the layout from the version before its index to its index; creation is the step to version 0. */
export type Migration = (database: DatabaseSync, newStoreId: string) => void;

/** 'PHRN': says in the file's header that a database is Posthorn's. */
export const APPLICATION_ID = 0x5048524e;
export const PAGE_BYTES = 8192;

const EMPTY = -1;

export const MIGRATIONS: readonly Migration[] = [
  /** Version 0, never released: no index on deadlines, so a store of that time reads its table to find what is due. */
  function createVersion0(database, newStoreId) {
    database.exec(`
      CREATE TABLE message(
        id INTEGER PRIMARY KEY, deadline INTEGER, checksum INTEGER NOT NULL, headers BLOB NOT NULL, body BLOB NOT NULL
      );
      CREATE TABLE place(
        place INTEGER PRIMARY KEY, kind TEXT NOT NULL, queue TEXT NOT NULL,
        messages INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0
      );
      CREATE TABLE state(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
      CREATE TABLE progress(
        one INTEGER PRIMARY KEY CHECK (one = 1), store_id TEXT NOT NULL, epoch INTEGER NOT NULL,
        unit_serial INTEGER NOT NULL, sequence_reserved INTEGER NOT NULL, closed_cleanly INTEGER NOT NULL
      );
    `);
    database.prepare('INSERT INTO progress VALUES(1, ?, 0, 0, 1, 1)').run(newStoreId);
  },
  function indexDeadlines(database) {
    database.exec('CREATE INDEX message_deadline ON message(deadline) WHERE deadline IS NOT NULL');
  },
  function gatherTallies(database) {
    database.exec(`
      CREATE TABLE tally(place INTEGER PRIMARY KEY, first INTEGER NOT NULL, second INTEGER NOT NULL);
      INSERT INTO tally SELECT 0, unit_serial, sequence_reserved FROM progress;
      INSERT INTO tally SELECT place, messages, bytes FROM place;
      ALTER TABLE progress DROP COLUMN unit_serial;
      ALTER TABLE progress DROP COLUMN sequence_reserved;
      ALTER TABLE place DROP COLUMN messages;
      ALTER TABLE place DROP COLUMN bytes;
    `);
  },
  /**
   * Version 3 looks the same, and holds what version 2 does not know: a place of held sends, and records of transactions
   * whose messages are locked at open. An older Posthorn must refuse such a store: it would forget those locks, and handle
   * again what a database may have committed.
   */
  function knowTransactions() {},
];

export function readPragma(database: DatabaseSync, name: string): number {
  const row = database.prepare(`PRAGMA ${name}`).get();
  const value = row === undefined ? undefined : Object.values(row)[0];
  return typeof value === 'number' ? value : 0;
}
