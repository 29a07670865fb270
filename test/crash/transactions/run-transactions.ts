import { CrashDatabases } from './databases.ts';
import { describeLoad, runLoad } from './load-run.ts';
import { describeMatrix, isMatrixPassed, ROWS, runMatrix } from './matrix.ts';

/** The crash test of transactions over queues and databases: the matrix, or with `load` an afternoon's load. */
export async function runTransactions(options: TransactionsOptions) {
  await using databases = await CrashDatabases.start(options.directory);
  const { directory, tell, load, step } = options;
  if (load === undefined) {
    const rows = ROWS.filter(({ name }) => name.includes(step));
    const cells = await runMatrix({ databases, directory, rows, tell });
    return { report: { cells }, hasPassed: isMatrixPassed(cells), lines: describeMatrix(cells) };
  }
  const reports = [];
  for (const kinds of [['postgres'], ['mariadb'], ['postgres', 'mariadb']] as const) {
    reports.push(
      await runLoad({ databases, directory, kinds, messages: load, handledPerKill: HANDLED_PER_KILL, tell }),
    );
  }
  const hasPassed = reports.every(({ faults }) => faults.length === 0);
  return { report: { reports }, hasPassed, lines: reports.flatMap(describeLoad) };
}

export interface TransactionsOptions {
  readonly directory: string;
  /** Undefined: the matrix. */
  readonly load: number | undefined;
  /** Part of the names of the steps wanted. */
  readonly step: string;
  tell(progress: string): void;
}

/** With what it handles untold, one kill per 200. */
const HANDLED_PER_KILL = 175;
