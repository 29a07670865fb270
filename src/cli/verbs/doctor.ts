import { resolve } from 'node:path';
import { stderrLogger } from '../../io/stderr-logger.ts';
import { isPosthornError } from '../../message/posthorn-error.ts';
import type { Finding, ResourceManager } from '../../transactions/resource-manager.ts';
import { UsageError } from '../errors.ts';
import { examineMachine } from '../examine-machine.ts';
import { type ExaminedDatabase, examinedDatabases } from '../examined-databases.ts';
import { FindingsView } from '../findings-view.ts';
import { describeTarget } from '../transaction-words.ts';
import { type CommonOptions, directoryOf, type ExitCode, printJson, type VerbContext } from '../verb.ts';
import { parseRole } from './host.ts';

export interface DoctorOptions extends CommonOptions {
  readonly sql?: boolean;
  readonly role: string;
}

/**
 * `posthorn doctor [FILE…]`: looks at this machine, and at every database of endpoint modules or of a JSON file, step by step
 * to a real prepare and commit. Each finding is written as it comes. Exit code 1 when a step failed.
 */
export async function doctor(
  context: VerbContext,
  files: readonly string[],
  options: DoctorOptions,
): Promise<ExitCode> {
  const role = parseRole(options.role);
  const directory = resolve(directoryOf(context, options));
  const hostContext = { directory, queueManager: undefined, role, logger: stderrLogger() };
  const databases = await examinedDatabases(files, hostContext);
  if (options.sql === true) return await printSql(context, databases, options);
  const view = new FindingsView(context.terminal, { asJson: options.json === true });
  const needsStore = files.length === 0;
  await examineMachine(context, { ...options, directory, needsStore }, view.begin('machine', 'This machine'));
  for (const database of databases) await examineDatabase(database, view);
  if (files.length > 0 && databases.length === 0) {
    const tell = view.begin('databases', 'Databases');
    tell({ step: 'resources', outcome: 'skipped', text: 'these endpoints list no databases in this option' });
  }
  view.end();
  return view.isWell ? 0 : 1;
}

async function examineDatabase(database: ExaminedDatabase, view: FindingsView): Promise<void> {
  const { name, tables, branchCount } = database;
  let manager: ResourceManager | undefined;
  let tell: ((finding: Finding) => void) | undefined;
  try {
    manager = await database.open();
    tell = view.begin(name, `${name}: ${describeTarget(manager) ?? manager.kind}`);
    await manager.setup.examine({ tables, branchCount, tell });
  } catch (error) {
    if (!isPosthornError(error)) throw error;
    tell ??= view.begin(name, name);
    tell({ step: 'driver', outcome: 'failed', text: error.what, mend: error.mend });
  } finally {
    await manager?.close();
  }
}

/** `--sql`: for whoever may make tables where Posthorn may not. */
async function printSql(
  { terminal }: VerbContext,
  databases: readonly ExaminedDatabase[],
  options: CommonOptions,
): Promise<ExitCode> {
  if (databases.length === 0) {
    throw new UsageError(
      '--sql prints the tables of databases, and no file names one.',
      'Name an endpoint module, or a JSON file.',
    );
  }
  for (const [index, database] of databases.entries()) {
    const manager = await database.open();
    const { sql } = manager.setup;
    await manager.close();
    if (options.json === true) printJson(terminal, { resource: database.name, kind: manager.kind, sql });
    else {
      if (index > 0) terminal.print('');
      terminal.print(`-- ${database.name}: ${describeTarget(manager) ?? manager.kind}`);
      terminal.print(sql.trimEnd());
    }
  }
  return 0;
}
