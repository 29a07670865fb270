import { constants, getPriority, setPriority } from 'node:os';
import { type Argument, Command } from 'commander';
import { packageVersion } from '../io/package-version.ts';
import { nearestName } from '../message/posthorn-error.ts';
import type { CommonOptions, ExitCode, VerbContext } from './verb.ts';
import {
  collect,
  TIME_FORM,
  verb,
  withDeadLetterFilters,
  withFilters,
  withIds,
  withPlaces,
  withReturnOptions,
} from './verb-options.ts';
import type { ActOptions } from './verbs/act-on-transaction.ts';
import type { CreateQueueOptions } from './verbs/create-queue.ts';
import type { DeadLetterOptions } from './verbs/dead-letter.ts';
import type { DoctorOptions } from './verbs/doctor.ts';
import type { ErrorsOptions } from './verbs/errors.ts';
import type { HostOptions } from './verbs/host.ts';
import type { IncomingOptions } from './verbs/incoming.ts';
import type { KeysOptions } from './verbs/keys.ts';
import type { MoveOptions } from './verbs/move.ts';
import type { OutgoingAct, OutgoingOptions } from './verbs/outgoing.ts';
import type { PeekOptions } from './verbs/peek.ts';
import type { PurgeOptions } from './verbs/purge.ts';
import type { ReturnOptions } from './verbs/return-to-source.ts';
import type { SendOptions } from './verbs/send.ts';
import type { TransactionsOptions } from './verbs/transactions.ts';

/**
 * The command line of `posthorn`: which verbs there are and what they take. The code of a verb is loaded when it is used,
 * so that `--help` and small verbs start fast.
 *
 * `ended` gets the exit code of the verb that ran.
 */
export function buildProgram(context: VerbContext, ended: (exitCode: ExitCode) => void): Command {
  const program = new Command('posthorn');
  program
    .description('Operate Posthorn: queues, failed messages, and the host of your endpoints.')
    .exitOverride()
    .enablePositionalOptions()
    .addHelpCommand(new Command('help').argument('[verb]').description('the help of a verb').helpGroup('Help:'))
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .configureHelp({
      helpWidth: context.terminal.columns ?? 100,
      subcommandTerm: (command) => `${command.name()} ${command.registeredArguments.map(termOf).join(' ')}`.trimEnd(),
    })
    // main reports it, in words or as JSON.
    .configureOutput({ outputError: () => undefined })
    .addHelpText('beforeAll', ({ command }) => {
      checkHelped(command);
      return '';
    })
    .addHelpText('after', EXAMPLES)
    .hook('preAction', (_program, action) => {
      if (action.name() !== 'host') giveWay();
    });
  addHostVerbs(program, context, ended);
  addQueueVerbs(program, context, ended);
  addMachineVerbs(program, context, ended);
  addKeyVerbs(program, context, ended);
  addTransactionVerbs(program, context, ended);
  addErrorVerbs(program, context, ended);
  addDeadLetterVerbs(program, context, ended);
  return program;
}

/** Help of a verb that there is none is an error: the help of all verbs is not what was asked for. */
function checkHelped(command: Command): void {
  const [first, second] = command.args;
  const wanted = first === 'help' ? second : first;
  if (command.registeredArguments.length > 0 || wanted === undefined || wanted.startsWith('-')) return;
  const nearest = nearestName(
    wanted,
    command.commands.map((known) => known.name()),
  );
  const suggestion = nearest === undefined ? '' : `\n(Did you mean ${nearest}?)`;
  command.error(`error: unknown command '${wanted}'${suggestion}`);
}

/**
 * Who looks must not hold up who works: on a machine that has its hands full, endpoints come first (see PAGE_MESSAGES_MAX).
 * But not last of all: with the lowest priority, where other programs took every core, `posthorn queues` answered after
 * 12 to 14 s instead of 1, and such a machine is the one that an operator looks at. Whoever gave it less keeps that.
 */
function giveWay(): void {
  const { PRIORITY_BELOW_NORMAL } = constants.priority;
  try {
    if (getPriority() < PRIORITY_BELOW_NORMAL) setPriority(PRIORITY_BELOW_NORMAL);
  } catch {
    // Some systems do not let a process say so; it runs as it is.
  }
}

const EXAMPLES = `
Examples:
  posthorn host sales.ts billing.ts     run endpoints until SIGTERM
  posthorn queues                       depth, in flight, oldest message
  posthorn errors group                 what failed, counted by cause
  posthorn errors show 3f2a91c0         one failed message, its id shortened
  posthorn return-to-source error all   everything back to where it failed
  posthorn outgoing                     what waits for other machines, and why
  posthorn ping beta                    the way to beta and back, step by step
  posthorn doctor sales.ts              this machine and the databases of sales.ts

Every verb takes --help, --json and --directory DIR (default: the environment's
POSTHORN_DIRECTORY, else ./.posthorn), and works while a queue manager runs and
while none does. Exit code: 0 done, 1 failed or something is wrong, 2 usage.`;

/** `<queue>`, `[ids...]`. */
function termOf(argument: Argument): string {
  const name = argument.variadic ? `${argument.name()}...` : argument.name();
  return argument.required ? `<${name}>` : `[${name}]`;
}

type Ended = (exitCode: ExitCode) => void;

function addHostVerbs(program: Command, context: VerbContext, ended: Ended): void {
  program.commandsGroup('Run:');
  verb(program, 'host <file...>')
    .description('run the endpoints of these modules, with an embedded queue manager')
    .option('--role <role>', 'server: transactional; client: no transactions, queues purged at start', 'server')
    .option('--stop-timeout <time>', `how long handlers may take to end after SIGTERM: ${TIME_FORM}`, '30s')
    .option(
      '--machine <name>',
      'name of this machine, as in queue@machine (default: as before, at first the host name)',
    )
    .option('--listen <[address:]port>', 'take connections of other machines (default: as network.json says)')
    .option('--allow-plaintext', 'talk to other machines without TLS: everybody on the way can read and forge')
    .action(async (files: string[], options: HostOptions) => {
      ended(await (await import('./verbs/host.ts')).host(context, files, options));
    });
  verb(program, 'describe <file...>')
    .description('what the endpoints of these modules handle, send and retry; starts nothing')
    .option('--role <role>', 'server or client', 'server')
    .action(async (files: string[], options: HostOptions) => {
      ended(await (await import('./verbs/describe.ts')).describe(context, files, options));
    });
}

function addQueueVerbs(program: Command, context: VerbContext, ended: Ended): void {
  program.commandsGroup('Queues:');
  const queues = verb(program, 'queues')
    .description('depth, in flight, delayed, size and oldest message of every queue; queues create makes one')
    .helpCommand(false)
    // Options behind `create` are those of `create`.
    .enablePositionalOptions()
    .action(async (options: CommonOptions) => {
      ended(await (await import('./verbs/queues.ts')).showQueues(context, options));
    });
  verb(queues, 'create <queue>')
    .description('make a queue, or change the settings that are given of one that is there')
    .option('--journal', 'keep a copy of every message that was received')
    .option('--no-journal', 'keep no copies')
    .option('--quota-messages <n>', "refuse more messages than this; 'none' takes the limit away")
    .option('--quota-bytes <n>', "refuse more bytes than this; 'none' takes the limit away")
    .option('--accept-from <machines>', "other machines that may send here: 'alpha,beta', 'all' or 'none'")
    .action(async (queue: string, options: CreateQueueOptions) => {
      ended(await (await import('./verbs/create-queue.ts')).createQueue(context, queue, options));
    });
  withIds(withFilters(withPlaces(verb(program, 'peek <queue> [id]'))))
    .description('look at messages without receiving them; with an id, at one of them whole')
    .option('--count <n>', "messages shown, or 'all' (default: 50, with --json all)")
    .action(async (queue: string, id: string | undefined, options: PeekOptions) => {
      ended(await (await import('./verbs/peek.ts')).peek(context, queue, id, options));
    });
  verb(program, 'send <queue>')
    .description('send one message; done when it is on disk')
    .option('--type <type>', 'message type')
    .option('--body <text>', 'body')
    .option('--file <path>', "body from a file, '-' for standard input")
    .option('--content-type <type>', 'what the body is (default: application/json)')
    .option('--header <name=value>', 'a header; may be repeated', collect)
    .option('--priority <0-7>', 'MSMQ priority (default: 3)')
    .option('--delay <time>', `make it visible later: ${TIME_FORM}`)
    .option('--ttl <time>', `drop or dead-letter it when nobody received it in that time: ${TIME_FORM}`)
    .option('--id <id>', 'message id (default: a new one)')
    .option('--create', 'make the queue, and the directory, if they do not exist')
    .action(async (queue: string, options: SendOptions) => {
      ended(await (await import('./verbs/send.ts')).send(context, queue, options));
    });
  withFilters(withPlaces(verb(program, 'move <from> <to>')))
    .description('put messages into another queue, unchanged')
    .action(async (from: string, to: string, options: MoveOptions) => {
      ended(await (await import('./verbs/move.ts')).move(context, from, to, options));
    });
  withFilters(withPlaces(verb(program, 'purge <queue>')))
    .description('remove messages for good')
    .option('--yes', 'do not ask')
    .action(async (queue: string, options: PurgeOptions) => {
      ended(await (await import('./verbs/purge.ts')).purge(context, queue, options));
    });
  verb(program, 'subscriptions')
    .description('which queue gets which event')
    .action(async (options: CommonOptions) => {
      ended(await (await import('./verbs/subscriptions.ts')).listSubscriptions(context, options));
    });
}

function addMachineVerbs(program: Command, context: VerbContext, ended: Ended): void {
  program.commandsGroup('Other machines:');
  const outgoing = verb(program, 'outgoing [destination]')
    .description('what waits for other machines and why; one queue@machine whole; hold, release, retry')
    .option('--watch', 'again every second until Control-C; elsewhere than on a terminal a line for each change')
    .option(
      '--alarm-after <time>',
      `exit code 1 when messages do not move for longer than this: ${TIME_FORM} (default: 60s)`,
    )
    .helpCommand(false)
    .enablePositionalOptions()
    .action(async (destination: string | undefined, options: OutgoingOptions) => {
      ended(await (await import('./verbs/outgoing.ts')).showOutgoing(context, destination, options));
    });
  const act = (name: OutgoingAct, description: string): void => {
    verb(outgoing, `${name} <destination>`)
      .description(description)
      .action(async (destination: string, options: CommonOptions) => {
        ended(await (await import('./verbs/outgoing.ts')).actOnOutgoing(context, name, destination, options));
      });
  };
  act('hold', 'send nothing new to queue@machine, or to any queue of a machine, until release');
  act('release', 'let it go on');
  act('retry', 'try at once: names are resolved again, backoffs begin anew');
  verb(program, 'incoming')
    .description('where this machine takes connections, who is connected, who was refused and why')
    .option('--watch', 'again every second until Control-C; elsewhere than on a terminal a line for each change')
    .action(async (options: IncomingOptions) => {
      ended(await (await import('./verbs/incoming.ts')).showIncoming(context, options));
    });
  verb(program, 'ping <machine>')
    .description('whether messages get there and replies get back: name, addresses, TLS, who is there, clock')
    .action(async (machine: string, options: CommonOptions) => {
      ended(await (await import('./verbs/ping.ts')).ping(context, machine, options));
    });
}

function addTransactionVerbs(program: Command, context: VerbContext, ended: Ended): void {
  program.commandsGroup('Databases:');
  const transactions = program
    .command('transactions')
    .description('transactions over databases that are not over: list, show, commit, abort, forget, retry')
    .helpCommand(false);
  verb(transactions, 'list')
    .description('each with its databases, what they answered last, and when they are asked again')
    .option('--state <state>', 'only these: in-doubt, committing, heuristic, aborting, fenced, foreign, …')
    .option('--resource <name>', 'only those with a part in this database')
    .option('--endpoint <name>', 'only those of this endpoint')
    .option(
      '--alarm-after <time>',
      `exit code 1 when one is not settled for longer than this: ${TIME_FORM} (default: 60s)`,
    )
    .action(async (options: TransactionsOptions) => {
      ended(await (await import('./verbs/transactions.ts')).listTransactions(context, options));
    });
  verb(transactions, 'show <id>')
    .description('one whole, with the SQL to end it by hand; or a database: why it is fenced, which messages')
    .action(async (id: string, options: CommonOptions) => {
      ended(await (await import('./verbs/transactions.ts')).showTransaction(context, id, options));
    });
  const act = (name: 'commit' | 'abort' | 'forget', term: string, description: string): void => {
    verb(transactions, `${name} <${term}>`)
      .description(description)
      .option('--reason <text>', 'why; kept with who did it')
      .option('--yes', 'do not ask')
      .action(async (id: string, options: ActOptions) => {
        ended(await (await import('./verbs/act-on-transaction.ts')).actOnTransaction(context, name, id, options));
      });
  };
  act('commit', 'id', 'commit the prepared branches of one that only a person can decide');
  act('abort', 'id', 'roll them back');
  act('forget', 'id|database', 'delete the record of a heuristic outcome; or accept this store for a fenced database');
  verb(transactions, 'retry <id>')
    .description('ask its databases again at once')
    .option('--reason <text>', 'why; kept with who did it')
    .action(async (id: string, options: ActOptions) => {
      ended(await (await import('./verbs/act-on-transaction.ts')).retryTransaction(context, id, options));
    });
  verb(program, 'doctor [file...]')
    .description(
      'this machine, and every database of endpoint modules or of a JSON file, step by step to a real commit',
    )
    .option('--sql', 'print the tables that each database needs as SQL, and do nothing else')
    .option('--role <role>', 'of endpoint modules: server or client', 'server')
    .action(async (files: string[], options: DoctorOptions) => {
      ended(await (await import('./verbs/doctor.ts')).doctor(context, files, options));
    });
}

function addKeyVerbs(program: Command, context: VerbContext, ended: Ended): void {
  const keys = program
    .command('keys')
    .description('certificates for TLS between machines: authority, machine, show')
    .helpCommand(false);
  verb(keys, 'authority')
    .description('make a certificate authority, on one machine only')
    .option('--name <name>', 'its name (default: one that is told from others)')
    .option('--days <n>', 'valid for so many days (default: 3653, ten years)')
    .option('--replace', 'instead of the one there is; every machine then needs new files')
    .action(async (options: KeysOptions) => {
      ended(await (await import('./verbs/keys.ts')).makeKeysAuthority(context, options));
    });
  verb(keys, 'machine <name>')
    .description('make key and certificate of a machine, where the authority is')
    .option('--out <dir>', 'for another machine: all that it needs, into this directory')
    .option('--days <n>', 'valid for so many days (default: 825)')
    .option('--replace', 'instead of the one there is')
    .action(async (name: string, options: KeysOptions) => {
      ended(await (await import('./verbs/keys.ts')).makeKeysMachine(context, name, options));
    });
  verb(keys, 'show')
    .description('names, validity and fingerprints; exit code 1 when one expires within 30 days or does not fit')
    .action(async (options: KeysOptions) => {
      ended(await (await import('./verbs/keys.ts')).showKeys(context, options));
    });
}

function addErrorVerbs(program: Command, context: VerbContext, ended: Ended): void {
  program.commandsGroup('Failed messages:');
  const errors = program.command('errors').description('failed messages: list, show, group').helpCommand(false);
  withFilters(verb(errors, 'list'))
    .description('failed messages, oldest first')
    .option('--queue <queue>', 'error queue', 'error')
    .option('--count <n>', "messages shown, or 'all' (default: 50, with --json all)")
    .action(async (options: ErrorsOptions) => {
      ended(await (await import('./verbs/errors.ts')).listErrors(context, options));
    });
  withIds(verb(errors, 'show <id>'))
    .description('one failed message whole: why, stack, headers, body')
    .option('--queue <queue>', 'error queue', 'error')
    .action(async (id: string, options: ErrorsOptions) => {
      ended(await (await import('./verbs/errors.ts')).showError(context, id, options));
    });
  withFilters(verb(errors, 'group'))
    .description('failed messages counted by exception, own stack frame and message type')
    .option('--queue <queue>', 'error queue', 'error')
    .action(async (options: ErrorsOptions) => {
      ended(await (await import('./verbs/errors.ts')).groupErrors(context, options));
    });
  withReturnOptions(withFilters(verb(program, 'return-to-source [queue] [ids...]')))
    .description("failed messages back to where they failed: ids, 'all', or a filter; asks when arguments are missing")
    .action(async (queue: string | undefined, ids: string[], options: ReturnOptions) => {
      ended(await (await import('./verbs/return-to-source.ts')).returnToSource(context, queue, ids, options));
    });
}

function addDeadLetterVerbs(program: Command, context: VerbContext, ended: Ended): void {
  const deadLetter = program
    .command('dead-letter')
    .description('what could not be delivered: list, show, return')
    .helpCommand(false);
  withDeadLetterFilters(verb(deadLetter, 'list'))
    .description('dead letters, oldest first, with the reason and what happened')
    .option('--count <n>', "messages shown, or 'all' (default: 50, with --json all)")
    .action(async (options: DeadLetterOptions) => {
      ended(await (await import('./verbs/dead-letter.ts')).listDeadLetters(context, options));
    });
  withIds(verb(deadLetter, 'show <id>'))
    .description('one dead letter whole')
    .action(async (id: string, options: CommonOptions) => {
      ended(await (await import('./verbs/dead-letter.ts')).showDeadLetter(context, id, options));
    });
  withReturnOptions(withDeadLetterFilters(verb(deadLetter, 'return [ids...]')))
    .description(
      "dead letters back to the queues they were meant for: ids, 'all', or a filter; asks when arguments are missing",
    )
    .action(async (ids: string[], options: ReturnOptions) => {
      ended(await (await import('./verbs/dead-letter.ts')).returnDeadLetters(context, ids, options));
    });
}
