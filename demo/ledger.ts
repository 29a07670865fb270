import { DatabaseSync, type StatementSync } from 'node:sqlite';

/**
 * The database of a user's program: one entry a webhook, however often its message comes.
 *
 * Entries have the webhook's id as their key. An attempt to write one again (its message was handled anew after a kill)
 * changes nothing and is noted, so that the demo can tell how often that happened.
 */
export class Ledger {
  readonly #insert: StatementSync;
  readonly #noteRepeat: StatementSync;

  constructor(path: string) {
    const database = new DatabaseSync(path);
    // Survives the death of the process, which is what the demo is about; a power cut would need synchronous = FULL.
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
    database.exec('CREATE TABLE IF NOT EXISTS entry(webhook_id TEXT PRIMARY KEY, event TEXT, repository TEXT) STRICT');
    database.exec('CREATE TABLE IF NOT EXISTS repeat(webhook_id TEXT) STRICT');
    this.#insert = database.prepare('INSERT OR IGNORE INTO entry VALUES(?, ?, ?)');
    this.#noteRepeat = database.prepare('INSERT INTO repeat VALUES(?)');
  }

  record(webhookId: string, event: string, repository: string): void {
    if (this.#insert.run(webhookId, event, repository).changes === 0) this.#noteRepeat.run(webhookId);
  }
}

export interface LedgerContent {
  readonly webhookIds: ReadonlySet<string>;
  /** Attempts that found the entry there. */
  readonly repeats: number;
}

/** Reads what a ledger holds, after its last writer has ended. */
export function readLedger(path: string): LedgerContent {
  const database = new DatabaseSync(path);
  const rows = database.prepare('SELECT webhook_id FROM entry').all();
  const repeats = database.prepare('SELECT count(*) AS count FROM repeat').get();
  database.close();
  return { webhookIds: new Set(rows.map((row) => String(row.webhook_id))), repeats: Number(repeats?.count) };
}
