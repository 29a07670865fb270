import { ResourceUnfit } from '../../transactions/errors.ts';
import { MARKER_TABLE } from './table-names.ts';

/** RESOURCE_UNFIT of a transaction whose login may not write the marker row: it had that right when the endpoint started. */
export function markerForbidden(resource: string, login: string, grant: string, cause: Error): ResourceUnfit {
  const what = `its login ${login} may not write ${MARKER_TABLE} (${cause.message})`;
  return new ResourceUnfit(resource, what, `Run there: ${grant}`, { cause });
}
