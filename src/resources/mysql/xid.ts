import type { FoundBranch } from '../../transactions/resource-manager.ts';
import { sqlByHand } from '../../transactions/sql-by-hand.ts';
import {
  type BranchId,
  formatBranchId,
  isBranchQualifier,
  parseTransactionId,
} from '../../transactions/transaction-id.ts';

/**
 * Branches in the words of the XA statements, which take no placeholders: our own alphabet stands in literals as it is.
 *
 * The server keeps a format number beside the two texts and ignores it when it looks for a branch (finding F4): what is ours
 * is told by the texts alone.
 */
export function xidLiteral({ transaction, qualifier }: BranchId): string {
  return `'${transaction}','${qualifier}',${FORMAT_NUMBER}`;
}

/** One row of XA RECOVER, with `data` as the bytes that it is. */
export interface RecoverRow {
  readonly formatID: number | string;
  readonly gtrid_length: number | string;
  readonly bqual_length: number | string;
  readonly data: Buffer;
}

export function readRecoverRow(row: RecoverRow): FoundBranch {
  const split = Number(row.gtrid_length);
  const global = row.data.subarray(0, split);
  const branch = row.data.subarray(split, split + Number(row.bqual_length));
  const id = ownId(global.toString('latin1'), branch.toString('latin1'));
  const untold = { ageMs: undefined, owner: undefined };
  if (id !== undefined) return { ...untold, text: formatBranchId(id), id, sql: sqlByHand('mysql', id) };
  const text = foreignLiteral(global, branch, row.formatID);
  return { ...untold, text, id, sql: { commit: `XA COMMIT ${text};`, rollback: `XA ROLLBACK ${text};` } };
}

export function isSameBranch(left: BranchId, right: BranchId | undefined): boolean {
  return left.transaction === right?.transaction && left.qualifier === right.qualifier;
}

const FORMAT_NUMBER = 1;
const PRINTABLE = /^[\x20-\x7e]*$/;

function ownId(transaction: string, qualifier: string): BranchId | undefined {
  if (parseTransactionId(transaction) === undefined || !isBranchQualifier(qualifier)) return undefined;
  return { transaction, qualifier };
}

/** Ready for use: a person may want to finish it. */
function foreignLiteral(global: Buffer, branch: Buffer, format: number | string): string {
  return `${bytesLiteral(global)},${bytesLiteral(branch)},${format}`;
}

function bytesLiteral(bytes: Buffer): string {
  const text = bytes.toString('latin1');
  return PRINTABLE.test(text) && !/['\\]/.test(text) ? `'${text}'` : `X'${bytes.toString('hex')}'`;
}
