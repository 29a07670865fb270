import { failed, type StepResult } from './examination.ts';
import { MARKER_TABLE, WITNESS_TABLE } from './table-names.ts';

/** Both tables are made together: where one stands alone, the database was in use before the other was dropped. */
export function oneTableGone(): StepResult {
  return failed(
    `one of ${MARKER_TABLE} and ${WITNESS_TABLE} is there and the other is gone: somebody has dropped it`,
    'Start the endpoints that use this database again: that makes it anew, or says what is in doubt there.',
  );
}
