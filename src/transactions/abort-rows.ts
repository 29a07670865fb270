import { failpoint } from '../io/failpoint.ts';
import type { CoordinatorCore } from './coordinator-core.ts';
import type { UsedResource } from './used-resource.ts';

/**
 * Takes abort rows away, each once the session that was told to commit is proven gone.
 *
 *     row and record ──session gone──▶ row deleted ──▶ record deleted ──▶ nothing
 *
 * The record goes last: a crash between the two deletes a row that is not there any more. While the session lives it is
 * ended; until that has happened the row is what keeps a late COMMIT out.
 *
 * @returns how many are left
 * @throws when the database cannot be asked, or the store refuses
 */
export async function clearAbortRows(core: CoordinatorCore, resource: UsedResource): Promise<number> {
  const { recovery } = resource;
  let leftCount = 0;
  for (const row of [...core.records.abortRows.values()]) {
    if (row.resource !== resource.name) continue;
    const answer = await recovery.endSession(row.session);
    if (answer.kind !== 'gone') {
      leftCount++;
      continue;
    }
    failpoint('recovery.before-abort-row-deleted');
    await recovery.deleteMarkers([row.id]);
    failpoint('recovery.after-abort-row-deleted');
    await core.records.deleteAbortRow(row.id);
  }
  return leftCount;
}
