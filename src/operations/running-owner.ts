import type { Io } from '../io/io.ts';
import { isStale, type OwnerRecord, readOwnerRecord } from '../store/owner-record.ts';

/** Who runs a queue manager on the directory now, by the owner record; undefined when nobody seems to. The lock decides. */
export function runningOwner(directory: string, io: Io): OwnerRecord | undefined {
  const record = readOwnerRecord(directory);
  return record?.purpose === 'queue-manager' && !isStale(record, io.clock.bootId) ? record : undefined;
}
