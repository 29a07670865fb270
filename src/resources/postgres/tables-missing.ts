import { ResourceTablesMissing } from '../../transactions/errors.ts';
import { MARKER_TABLE, WITNESS_TABLE } from '../shared/table-names.ts';
import { sqlState } from './answers.ts';
import { TABLES_SQL } from './postgres-tables.ts';

/** The error to tell when it says that one of Posthorn's tables is not there; undefined when it says something else. */
export function tablesMissing(error: unknown, resource: string): ResourceTablesMissing | undefined {
  if (!(error instanceof Error) || sqlState(error) !== '42P01') return undefined;
  const isOurs = error.message.includes(MARKER_TABLE) || error.message.includes(WITNESS_TABLE);
  return isOurs ? new ResourceTablesMissing(resource, TABLES_SQL, { cause: error }) : undefined;
}
