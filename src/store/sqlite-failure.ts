/**
 * Which of the few kinds of failure an error of SQLite is, as far as the store acts on them differently; `undefined`
 * for an error that is not SQLite's. `disk` is everything that is not named otherwise: what cannot be explained is
 * treated as a failed disk, because that path answers nobody before the store was reopened and looked at.
 */
export function sqliteFailure(error: unknown): SqliteFailure | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined;
  switch (error.errcode & PRIMARY_CODE) {
    case 5: // SQLITE_BUSY
    case 6: // SQLITE_LOCKED
      return 'busy';
    case 11: // SQLITE_CORRUPT
    case 26: // SQLITE_NOTADB
      return 'damaged';
    case 13: // SQLITE_FULL
      return 'full';
    case 19: // SQLITE_CONSTRAINT
      return 'constraint';
    default:
      return 'disk';
  }
}

export type SqliteFailure = 'busy' | 'damaged' | 'full' | 'constraint' | 'disk';

/** The low byte is the code; above it stands where it came from. */
const PRIMARY_CODE = 0xff;
