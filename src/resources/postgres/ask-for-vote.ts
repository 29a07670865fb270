import { InvariantBroken } from '../../message/posthorn-error.ts';
import { ResourceUnfit, StatementRefused } from '../../transactions/errors.ts';
import { type BranchId, formatBranchId } from '../../transactions/transaction-id.ts';
import { leavesSession, refusedVote, sqlState, type VoteRefusal, votedYes } from './answers.ts';
import { AWAIT_DISK } from './await-disk.ts';
import type { Answer, PostgresConnection } from './postgres-connection.ts';
import type { OwnStatement, RoundTripAnswer } from './round-trip.ts';

/**
 * Asks a branch to prepare. One round trip takes the transaction's number, compares its id with the setting that it was begun
 * with, and prepares; where the comparison fails, PREPARE is not carried out.
 *
 * `no` is said of what the table proves. After any other error of the server, the session, which has answered and runs
 * nothing, is asked whether such a branch is there: when it is not, none can come any more.
 */
export async function askForVote({ id, connection, resource, ask, together }: VoteRequest): Promise<Vote> {
  let transactionNumber: string | undefined;
  try {
    const { tags, rows } = await together('prepare', prepareStatements(id));
    transactionNumber = rows[0]?.[0] ?? undefined;
    if (votedYes(tags)) return { kind: 'yes', transactionNumber };
    return { kind: 'no', error: endedByHand(resource), transactionNumber, isSessionClean: tags.at(-1) === 'ROLLBACK' };
  } catch (error) {
    const told = error as Error;
    if (!leavesSession(error)) return { kind: 'unknown', error: told, transactionNumber };
    const refusal = refusedVote(sqlState(error) ?? '');
    const isSessionClean = await isClean(id, connection, ask);
    if (refusal === undefined && !isSessionClean) return { kind: 'unknown', error: told, transactionNumber };
    return { kind: 'no', error: inWords(refusal, told, { id, resource }), transactionNumber, isSessionClean };
  }
}

export interface VoteRequest {
  readonly id: BranchId;
  readonly connection: PostgresConnection;
  readonly resource: string;
  ask(what: string, sql: string): Promise<Answer>;
  together(what: string, statements: readonly OwnStatement[]): Promise<RoundTripAnswer>;
}

export type Vote = { readonly transactionNumber: string | undefined } & (
  | { readonly kind: 'yes' }
  /** `isSessionClean`: the connection answers and is in no transaction. */
  | { readonly kind: 'no'; readonly error: Error; readonly isSessionClean: boolean }
  | { readonly kind: 'unknown'; readonly error: Error }
);

function prepareStatements(id: BranchId): readonly OwnStatement[] {
  return [
    { text: IS_SAME_TRANSACTION, values: [id.transaction], isKept: true },
    { text: `prepare transaction '${formatBranchId(id)}'` },
  ];
}

/** What it prepares the server writes to its own disk, whatever is set; standbys it waits for only as the setting says. */
const IS_SAME_TRANSACTION = `select pg_catalog.pg_current_xact_id_if_assigned()::text,
  1 / coalesce((pg_catalog.current_setting('posthorn.transaction', true) = $1)::int, 0), ${AWAIT_DISK}`;

/** Nothing is prepared by that name, and no transaction is left that could be. */
async function isClean(id: BranchId, connection: PostgresConnection, ask: VoteRequest['ask']): Promise<boolean> {
  try {
    await ask('rollback', 'rollback');
    const { rows } = await ask(
      'is it prepared',
      `select 1 as found from pg_catalog.pg_prepared_xacts where gid = '${formatBranchId(id)}'`,
    );
    return rows.length === 0 && connection.isUsable;
  } catch {
    // Not answered: nothing is known beyond what the first error said.
    return false;
  }
}

function inWords(
  refusal: VoteRefusal | undefined,
  error: Error,
  { id, resource }: Pick<VoteRequest, 'id' | 'resource'>,
): Error {
  switch (refusal) {
    case 'full':
      return new ResourceUnfit(
        resource,
        `the server could not keep one more prepared transaction (${error.message})`,
        "Raise its setting 'max_prepared_transactions' to at least the number of messages handled at a time, and restart it.",
      );
    case 'disabled':
      return new ResourceUnfit(resource, error.message, ENABLE_PREPARED);
    case 'endedByHand':
      return endedByHand(resource);
    case 'duplicate':
      return new InvariantBroken(`the id ${formatBranchId(id)} is used once: ${error.message}`);
    default:
      return error;
  }
}

/** The mend for a server with prepared transactions off. */
export const ENABLE_PREPARED =
  "Set 'max_prepared_transactions' in postgresql.conf to at least the number of messages handled at a time, and restart the server.";

function endedByHand(resource: string): Error {
  return new StatementRefused(resource, 'A statement that ends the transaction by hand');
}
