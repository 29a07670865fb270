import type { Operations } from '../../operations/operations.ts';
import type { OperatorWish } from '../../transactions/transaction-view.ts';
import { UsageError } from '../errors.ts';
import { type FoundTransaction, findTransaction } from '../find-transaction.ts';
import { countMayBeHandled, describeMayBeHandled } from '../may-be-handled.ts';
import { harmless } from '../terminal.ts';
import { transactionJson } from '../transaction-story.ts';
import { describeHeldSends, STATE_WORDS, sqlByHand } from '../transaction-words.ts';
import { type CommonOptions, type ExitCode, printJson, type VerbContext, withOperations } from '../verb.ts';
import { whoAsks } from '../who-asks.ts';
import { wrap } from '../wrap.ts';

export interface ActOptions extends CommonOptions {
  readonly reason?: string;
  readonly yes?: boolean;
}

/**
 * `posthorn transactions commit|abort|forget ID`: shows what it will do and the same as SQL, then asks; where nobody can be
 * asked `--yes` has to be given. A reason is kept with who did it.
 */
export function actOnTransaction(
  context: VerbContext,
  action: 'commit' | 'abort' | 'forget',
  given: string,
  options: ActOptions,
): Promise<ExitCode> {
  const { terminal } = context;
  if (options.reason !== undefined) checkReason(action, options.reason);
  else if (!terminal.canAsk) throw reasonMissing(action);
  return withOperations(context, options, async (operations) => {
    const found = await findTransaction(operations, given);
    if (found.kind === 'resource' && action !== 'forget') {
      throw new UsageError(
        `'${given}' is a database; only 'forget' can be done to one.`,
        'Give the id of a transaction.',
      );
    }
    if (options.yes !== true) {
      await showPlan(context, operations, action, found);
      if (!terminal.canAsk) {
        throw new UsageError(`${action} cannot be undone, and nobody can be asked here.`, 'Add --yes.');
      }
    }
    const reason = options.reason ?? (await askReason(action));
    if (reason === undefined || (options.yes !== true && !(await isSure(QUESTIONS[action])))) {
      terminal.note('Nothing was done.');
      return 1;
    }
    return await act(context, operations, { action, id: idOf(found), reason, by: whoAsks(context) }, options);
  });
}

/** `posthorn transactions retry ID`: asks its databases again at once. Harmless, so nobody is asked. */
export function retryTransaction(context: VerbContext, given: string, options: ActOptions): Promise<ExitCode> {
  return withOperations(context, options, async (operations) => {
    const found = await findTransaction(operations, given);
    if (found.kind === 'resource') {
      throw new UsageError(
        `'${given}' is a database; 'retry' is for a transaction that waits for one.`,
        `'posthorn transactions list --resource ${given}' shows those; the database itself is tried again all the time.`,
      );
    }
    const reason = options.reason ?? 'asked to try at once';
    return await act(context, operations, { action: 'retry', id: idOf(found), reason, by: whoAsks(context) }, options);
  });
}

function idOf(found: FoundTransaction): string {
  return found.kind === 'resource' ? found.resource.name : found.transaction.id;
}

async function act(
  { terminal }: VerbContext,
  operations: Operations,
  wish: OperatorWish,
  options: CommonOptions,
): Promise<ExitCode> {
  const { transaction, wasDoneBefore } = await operations.actOnTransaction(wish);
  const { action, id } = wish;
  if (options.json === true) {
    printJson(terminal, {
      action,
      id,
      wasDoneBefore,
      transaction: transaction === undefined ? undefined : transactionJson(transaction),
    });
    return 0;
  }
  const now = transaction === undefined ? '' : ` It is ${STATE_WORDS[transaction.state]}: ${transaction.sentence}`;
  for (const line of wrap(`${id}: ${DONE[action]}.${now}`, terminal.columns)) terminal.print(line);
  return 0;
}

const DONE: Readonly<Record<OperatorWish['action'], string>> = {
  commit: "'commit' is noted, its databases are being told",
  abort: "'abort' is noted, its databases are being told",
  forget: 'forgotten',
  retry: 'its databases are being asked again',
};

const QUESTIONS = {
  commit: 'Commit it? This cannot be undone.',
  abort: 'Roll it back? This cannot be undone.',
  forget: 'Forget it? This cannot be undone.',
} as const;

/** On standard error: it is about the work. */
async function showPlan(
  { terminal }: VerbContext,
  operations: Operations,
  action: 'commit' | 'abort' | 'forget',
  found: FoundTransaction,
): Promise<void> {
  const say = (text: string): void => {
    for (const line of wrap(text, terminal.columns)) terminal.note(line);
  };
  if (found.kind === 'resource') {
    const { name, sentence, endpoints } = found.resource;
    const mayBeHandled = await countMayBeHandled(operations, found.resource);
    if (sentence !== undefined) say(`${name}: ${sentence}`);
    if (mayBeHandled !== undefined) say(describeMayBeHandled(mayBeHandled));
    const who = endpoints.length === 0 ? 'Endpoints that use it' : endpoints.join(', ');
    say(
      `To forget it is to accept this store as it is: its witness row in the database is written anew, ${who} will receive again, and a message that was handled already will be handled once more. There is no SQL for it.`,
    );
    return;
  }
  const { transaction } = found;
  say(`${transaction.id} is ${STATE_WORDS[transaction.state]}: ${transaction.sentence}`);
  say(PLANS[action]);
  const held = describeHeldSends(transaction);
  if (action !== 'abort' && held !== undefined) say(`Held until now and released by it: ${held}.`);
  const statements = action === 'forget' ? [] : sqlByHand(transaction, action === 'commit' ? 'commit' : 'rollback');
  if (statements.length > 0) terminal.note('The same by hand:');
  for (const { resource, sql } of statements) terminal.note(`  ${resource}: ${harmless(sql)}`);
}

const PLANS = {
  commit: 'Its prepared branches will be committed, whatever became of its messages.',
  abort: 'Its prepared branches will be rolled back, as if it had never been.',
  forget: 'Its record will be deleted, and what stands in the databases stays as it is. There is no SQL for it.',
} as const;

function checkReason(action: string, reason: string): void {
  if (reason.trim() === '') throw reasonMissing(action);
}

function reasonMissing(action: string): UsageError {
  return new UsageError(
    `${action} needs a reason, which is kept with who did it.`,
    `Say why, as in --reason "ticket 4711: row checked by hand".`,
  );
}

async function askReason(action: string): Promise<string | undefined> {
  const { text, isCancel } = await import('@clack/prompts');
  const answer = await text({
    message: `Why ${action}? The reason is kept.`,
    placeholder: 'ticket 4711: row checked by hand',
    validate: (given) => ((given ?? '').trim() === '' ? 'A reason is needed.' : undefined),
    output: process.stderr,
  });
  return isCancel(answer) ? undefined : answer.trim();
}

async function isSure(message: string): Promise<boolean> {
  const { confirm, isCancel } = await import('@clack/prompts');
  const answer = await confirm({ message, initialValue: false, output: process.stderr });
  return !isCancel(answer) && answer;
}
