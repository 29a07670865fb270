import { ResourceTablesMissing } from '../../transactions/errors.ts';
import { MARKER_TABLE, WITNESS_TABLE } from '../shared/table-names.ts';
import { sqlState } from './answers.ts';

/** The error to tell when a branch finds one of Posthorn's tables gone, which were there before it began; else undefined. */
export function tablesMissing(error: unknown, resource: string): ResourceTablesMissing | undefined {
  if (!(error instanceof Error) || sqlState(error) !== '42P01') return undefined;
  const isOurs = error.message.includes(MARKER_TABLE) || error.message.includes(WITNESS_TABLE);
  return isOurs ? new ResourceTablesMissing(resource, undefined, { cause: error }) : undefined;
}
