import { writeSync } from 'node:fs';

/**
 * Marks a place at which a process may die, so that `npm run test:crash` can make it die exactly there.
 *
 * In production a call is one comparison with `undefined`. With POSTHORN_FAILPOINT=name:count in the environment, meant
 * for the tests of this repository alone, the process says so on its standard error and kills itself with SIGKILL at
 * the count-th passage. Threads read the variable each for itself; a failpoint stands on one thread only.
 */
export function failpoint(name: Failpoint): void {
  if (armed !== undefined) pass(name, armed);
}

/** Every failpoint, in the order in which a message, then an operator, comes through. */
export const FAILPOINTS = [
  // Opening, which is recovery when the last owner died.
  'open.before-deaths-counted',
  'open.after-deaths-counted',
  // A unit of work on its way to the disk: handing over, the store's worker, and back.
  'unit.handed-over',
  'store.before-apply',
  'store.applied-before-commit',
  'store.committed-before-answer',
  'store.before-checkpoint',
  'store.after-checkpoint',
  'unit.committed-before-outcome',
  // The processing loop.
  'loop.received-before-handler',
  'loop.handled-before-commit',
  'loop.committed',
  // Recoverability, before and after its own unit of work.
  'recoverability.before-immediate-retry',
  'recoverability.after-immediate-retry',
  'recoverability.before-delayed-retry',
  'recoverability.after-delayed-retry',
  'recoverability.before-error-queue',
  'recoverability.after-error-queue',
  // Delayed messages become visible, expired ones leave.
  'deadlines.before-release',
  'deadlines.after-release',
  // Operators.
  'return.before-page',
  'return.after-page',
  'purge.before-page',
  'purge.after-page',
  // A process that sends over the control socket waits for this answer.
  'control.sent-before-answer',
  // A clean end that is not.
  'close.before-store-closed',
  'close.before-final-checkpoint',
  'close.after-final-checkpoint',
] as const;

/** Those of the transfer between machines, passed only where two of them talk. */
export const TRANSFER_FAILPOINTS = [
  // The sender: what is reserved, sent, acknowledged.
  'transfer.before-sent-up-to',
  'transfer.after-sent-up-to',
  'transfer.before-data-sent',
  'transfer.after-data-sent',
  'transfer.acked-before-removal',
  'transfer.after-removal',
  'transfer.before-new-epoch',
  'transfer.after-new-epoch',
  // The receiver: a unit of messages with its high-water mark.
  'transfer.received-before-commit',
  'transfer.committed-before-ack',
  'transfer.after-ack',
  'transfer.before-attached',
  // An undeliverable message moves to the dead-letter queue.
  'transfer.before-dead-letter',
  'transfer.after-dead-letter',
] as const;

/** Those of transactions that take databases along, and of their recovery; passed only where there is a database. */
export const TRANSACTION_FAILPOINTS = [
  // Both protocols: the handlers are done.
  'transaction.before-end',
  // Marker row: STAGE, the database's commit, APPLY, and the marker's deletion; or the proven no.
  'transaction.before-stage',
  'transaction.staged-before-commit',
  'transaction.committed-before-apply',
  'transaction.applied',
  'transaction.before-marker-deleted',
  'transaction.after-marker-deleted',
  'transaction.refused-before-discard',
  // Two-phase commit: prepare, DECIDE, commit, RELEASE. The per-branch ones are passed once for each branch.
  'transaction.before-prepare',
  'transaction.branch-prepared',
  'transaction.prepared-before-decision',
  'transaction.decided-before-commit',
  'transaction.branch-committed',
  'transaction.committed-before-release',
  'transaction.released',
  // Recovery.
  'recovery.before-epoch',
  'recovery.after-epoch',
  'recovery.after-witness',
  'recovery.scanned',
  'recovery.before-finish',
  'recovery.finished-before-noted',
  'recovery.before-fence',
  'recovery.fenced-before-discard',
  'recovery.fenced-before-apply',
  'recovery.discarded',
  'recovery.before-abort-row-deleted',
  'recovery.after-abort-row-deleted',
  'recovery.before-end',
] as const;

export type Failpoint =
  | (typeof FAILPOINTS)[number]
  | (typeof TRANSFER_FAILPOINTS)[number]
  | (typeof TRANSACTION_FAILPOINTS)[number];

/** What `failpoint` writes to standard error before it kills. */
export const FAILPOINT_REACHED = 'POSTHORN_FAILPOINT reached';

const armed = readArmed(process.env.POSTHORN_FAILPOINT);

interface Armed {
  readonly name: string;
  passagesLeft: number;
}

function readArmed(value: string | undefined): Armed | undefined {
  if (value === undefined) return undefined;
  const [name = '', count = '1'] = value.split(':');
  return { name, passagesLeft: Number(count) };
}

function pass(name: Failpoint, trap: Armed): void {
  if (name !== trap.name || --trap.passagesLeft > 0) return;
  writeSync(2, `${FAILPOINT_REACHED}: ${name}\n`);
  process.kill(process.pid, 'SIGKILL');
}
