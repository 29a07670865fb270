import { nearestName } from '../../message/posthorn-error.ts';
import type { Operations } from '../../operations/operations.ts';
import { TRANSACTION_STATES } from '../../operations/transaction-requests.ts';
import type { ResourceView, TransactionView, TransactionViewState } from '../../transactions/transaction-view.ts';
import { UsageError } from '../errors.ts';
import { findTransaction, transactionPages } from '../find-transaction.ts';
import { countMayBeHandled } from '../may-be-handled.ts';
import { ALARM_AFTER_DEFAULT } from '../outgoing-alarm.ts';
import { formatResourceStory, formatTransactionStory, resourceJson, transactionJson } from '../transaction-story.ts';
import { isResourceAlarming, isTransactionAlarming } from '../transactions-alarm.ts';
import { formatTransactions, type ResourceSeen } from '../transactions-view.ts';
import { parseDuration } from '../values.ts';
import { type CommonOptions, type ExitCode, printJson, type VerbContext, withOperations } from '../verb.ts';

export interface TransactionsOptions extends CommonOptions {
  readonly state?: string;
  readonly resource?: string;
  readonly endpoint?: string;
  readonly alarmAfter?: string;
}

/**
 * `posthorn transactions list`: transactions over databases that are not over, and databases that need somebody. Exit code 1
 * when one is alarming (see transactions-alarm.ts), so that it serves as a monitoring check.
 */
export function listTransactions(context: VerbContext, options: TransactionsOptions): Promise<ExitCode> {
  const { terminal, io } = context;
  const alarmAfterMs = parseDuration('--alarm-after', options.alarmAfter ?? ALARM_AFTER_DEFAULT);
  const state = options.state === undefined ? undefined : parseState(options.state);
  return withOperations(context, options, async (operations) => {
    const transactions: TransactionView[] = [];
    const resources: ResourceSeen[] = [];
    const { resource, endpoint } = options;
    for await (const page of transactionPages(operations, { state, resource, endpoint })) {
      transactions.push(...page.transactions);
      for (const each of page.resources.filter((candidate) => isWanted(candidate, options))) {
        resources.push(await look(operations, each, 0));
      }
    }
    const nowMs = io.clock.wallNowMs();
    if (options.json === true) {
      for (const each of resources) printJson(terminal, resourceJson(each));
      for (const each of transactions) printJson(terminal, transactionJson(each));
    } else {
      terminal.print(formatTransactions(terminal, { resources, transactions }, nowMs));
      const [first] = transactions;
      if (first !== undefined)
        terminal.note('\nThe whole story of one, by its id or the end of it: posthorn transactions show ID');
    }
    const isAlarming =
      transactions.some((each) => isTransactionAlarming(each, alarmAfterMs)) ||
      resources.some((each) => isResourceAlarming(each.resource, alarmAfterMs, nowMs));
    return isAlarming ? 1 : 0;
  });
}

/** `posthorn transactions show ID`; with the name of a database, what is known of that. Exit code as of the list. */
export function showTransaction(context: VerbContext, given: string, options: CommonOptions): Promise<ExitCode> {
  const { terminal, io } = context;
  const alarmAfterMs = parseDuration('--alarm-after', ALARM_AFTER_DEFAULT);
  return withOperations(context, options, async (operations) => {
    const found = await findTransaction(operations, given);
    const nowMs = io.clock.wallNowMs();
    if (found.kind === 'transaction') {
      const { transaction } = found;
      if (options.json === true) printJson(terminal, transactionJson(transaction));
      else {
        const { isRunning } = await operations.describeIncoming();
        terminal.print(formatTransactionStory(terminal, transaction, { nowMs, isRunning }));
      }
      return isTransactionAlarming(transaction, alarmAfterMs) ? 1 : 0;
    }
    const seen = await look(operations, found.resource, MESSAGES_SHOWN);
    if (options.json === true) printJson(terminal, resourceJson(seen));
    else terminal.print(formatResourceStory(terminal, seen, nowMs));
    return isResourceAlarming(found.resource, alarmAfterMs, nowMs) ? 1 : 0;
  });
}

const MESSAGES_SHOWN = 50;

async function look(operations: Operations, resource: ResourceView, firstMax: number): Promise<ResourceSeen> {
  return { resource, mayBeHandled: await countMayBeHandled(operations, resource, firstMax) };
}

function isWanted({ name, endpoints }: ResourceView, { resource, endpoint }: TransactionsOptions): boolean {
  if (resource !== undefined) return name === resource;
  return endpoint === undefined || endpoints.length === 0 || endpoints.includes(endpoint);
}

/** `inDoubt`, `in-doubt`, `IN DOUBT`. */
function parseState(text: string): TransactionViewState {
  const plain = text.replace(/[\s_-]/g, '').toLowerCase();
  const state = TRANSACTION_STATES.find((known) => known.toLowerCase() === plain);
  if (state !== undefined) return state;
  const nearest = nearestName(plain, TRANSACTION_STATES);
  throw new UsageError(
    `--state '${text}' is not a state of a transaction.`,
    nearest === undefined ? `States: ${TRANSACTION_STATES.join(', ')}.` : `Did you mean '${nearest}'?`,
  );
}
