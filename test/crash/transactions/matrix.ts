import type { Failpoint } from '../../../src/io/failpoint.ts';
import type { DatabaseKind } from '../../../tools/databases/database-pair.ts';
import type { CrashDatabases } from './databases.ts';
import { TransactionsStory } from './story.ts';

/**
 * Every step of the protocols times every way in which they are used, with and without a restart of the databases after
 * the death: in each cell a process is killed exactly there, another one recovers, and all parts must agree.
 */
export async function runMatrix(options: MatrixOptions): Promise<readonly Cell[]> {
  const cells: Cell[] = [];
  for (const row of options.rows) {
    for (const column of COLUMNS) {
      for (const isRestarted of [false, true]) {
        if (!row.protocols.includes(column.protocol)) continue;
        options.tell(`${row.name}, ${column.name}${isRestarted ? ', databases restarted' : ''}`);
        cells.push(await runCell(row, column, isRestarted, options));
      }
    }
  }
  return cells;
}

export interface MatrixOptions {
  readonly databases: CrashDatabases;
  readonly directory: string;
  readonly rows: readonly MatrixRow[];
  tell(progress: string): void;
}

export interface Cell {
  readonly row: string;
  readonly column: string;
  readonly isRestarted: boolean;
  /** False: the process did not come by the failpoint, so nothing was shown. */
  readonly isReached: boolean;
  readonly faults: readonly string[];
}

async function runCell(row: MatrixRow, column: Column, isRestarted: boolean, options: MatrixOptions): Promise<Cell> {
  const { databases, directory } = options;
  const { kinds } = column;
  using story = await TransactionsStory.begin({ databases, directory, kinds, messages: MESSAGES, concurrency: 2 });
  const [failpoint, passage] = row.at;
  if (row.after !== undefined) await story.dieAt(row.after[0], row.after[1]);
  const death = await story.dieAt(failpoint, passage);
  if (isRestarted) await databases.restart();
  const faults = await story.finish();
  const isReached = death.failpoint === failpoint;
  return { row: row.name, column: column.name, isRestarted, isReached, faults };
}

export interface MatrixRow {
  readonly name: string;
  /** Where a process dies, and at which passage. */
  readonly at: readonly [Failpoint, number];
  /** Recovery can only be killed when there is something to recover: an earlier process dies here. */
  readonly after?: readonly [Failpoint, number];
  readonly protocols: readonly ('marker' | 'twoPhase')[];
}

interface Column {
  readonly name: string;
  readonly protocol: 'marker' | 'twoPhase';
  readonly kinds: readonly DatabaseKind[];
}

export const COLUMNS: readonly Column[] = [
  { name: 'PostgreSQL', protocol: 'marker', kinds: ['postgres'] },
  { name: 'MariaDB', protocol: 'marker', kinds: ['mariadb'] },
  { name: 'PostgreSQL + MariaDB', protocol: 'twoPhase', kinds: ['postgres', 'mariadb'] },
];

const BOTH = ['marker', 'twoPhase'] as const;
const MARKER = ['marker'] as const;
const TWO_PHASE = ['twoPhase'] as const;

/** In the order in which a transaction, then recovery, comes through. The third message of six is in the middle of things. */
export const ROWS: readonly MatrixRow[] = [
  { name: 'before the first prepare or stage', at: ['transaction.before-end', 3], protocols: BOTH },
  { name: 'before STAGE', at: ['transaction.before-stage', 3], protocols: MARKER },
  { name: 'while STAGE is written', at: ['store.applied-before-commit', 8], protocols: MARKER },
  { name: 'STAGE is there, before the commit', at: ['transaction.staged-before-commit', 3], protocols: MARKER },
  { name: 'committed, before APPLY', at: ['transaction.committed-before-apply', 3], protocols: MARKER },
  { name: 'APPLY is there', at: ['transaction.applied', 3], protocols: MARKER },
  { name: 'before the marker is deleted', at: ['transaction.before-marker-deleted', 1], protocols: MARKER },
  { name: 'after the marker is deleted', at: ['transaction.after-marker-deleted', 1], protocols: MARKER },
  { name: 'before the prepares', at: ['transaction.before-prepare', 3], protocols: TWO_PHASE },
  { name: 'between the prepares', at: ['transaction.branch-prepared', 5], protocols: TWO_PHASE },
  { name: 'all prepared, before the decision', at: ['transaction.prepared-before-decision', 3], protocols: TWO_PHASE },
  { name: 'while the decision is written', at: ['store.applied-before-commit', 8], protocols: TWO_PHASE },
  { name: 'the decision is there, nobody knows', at: ['store.committed-before-answer', 8], protocols: TWO_PHASE },
  { name: 'decided, before the commits', at: ['transaction.decided-before-commit', 3], protocols: TWO_PHASE },
  { name: 'between the commits', at: ['transaction.branch-committed', 5], protocols: TWO_PHASE },
  { name: 'all committed, before RELEASE', at: ['transaction.committed-before-release', 3], protocols: TWO_PHASE },
  { name: 'released', at: ['transaction.released', 3], protocols: TWO_PHASE },
  ...['recovery.before-epoch', 'recovery.after-epoch', 'recovery.after-witness', 'recovery.scanned'].flatMap((name) => [
    recovering(name as Failpoint, 'transaction.staged-before-commit', MARKER),
    recovering(name as Failpoint, 'transaction.prepared-before-decision', TWO_PHASE),
  ]),
  recovering('recovery.before-fence', 'transaction.staged-before-commit', MARKER),
  recovering('recovery.fenced-before-discard', 'transaction.staged-before-commit', MARKER),
  recovering('recovery.discarded', 'transaction.staged-before-commit', MARKER),
  recovering('recovery.before-abort-row-deleted', 'transaction.staged-before-commit', MARKER),
  recovering('recovery.after-abort-row-deleted', 'transaction.staged-before-commit', MARKER),
  recovering('recovery.before-fence', 'transaction.committed-before-apply', MARKER),
  recovering('recovery.fenced-before-apply', 'transaction.committed-before-apply', MARKER),
  recovering('recovery.before-finish', 'transaction.prepared-before-decision', TWO_PHASE),
  recovering('recovery.before-finish', 'transaction.decided-before-commit', TWO_PHASE),
  recovering('recovery.finished-before-noted', 'transaction.decided-before-commit', TWO_PHASE),
  recovering('recovery.finished-before-noted', 'transaction.branch-committed', TWO_PHASE),
  recovering('recovery.before-end', 'transaction.decided-before-commit', TWO_PHASE),
];

function recovering(at: Failpoint, after: Failpoint, protocols: MatrixRow['protocols']): MatrixRow {
  const step = at.slice('recovery.'.length).replaceAll('-', ' ');
  const before = after.slice('transaction.'.length).replaceAll('-', ' ');
  const passage = after === 'transaction.branch-committed' ? 5 : 3;
  return { name: `recovery, ${step} (${before})`, at: [at, 1], after: [after, passage], protocols };
}

const MESSAGES = 6;

/** The matrix as people read it: a line for each step, a column for each way. */
export function describeMatrix(cells: readonly Cell[]): string[] {
  const names = [...new Set(cells.map(({ row }) => row))];
  const width = Math.max(...names.map((name) => name.length));
  const header = COLUMNS.flatMap(({ name }) => [name, '+ restart']);
  const lines = names.map((name) => {
    const marks = COLUMNS.flatMap((column) =>
      [false, true].map((isRestarted) => markOf(cells, name, column, isRestarted)),
    );
    return `${name.padEnd(width)}  ${marks.map((mark, index) => mark.padEnd(header[index]?.length ?? 0)).join('  ')}`.trimEnd();
  });
  const faults = cells.flatMap(({ row, column, isRestarted, faults: found }) =>
    found.map((fault) => `✖ ${row}, ${column}${isRestarted ? ', restarted' : ''}: ${fault}`),
  );
  return [`${''.padEnd(width)}  ${header.join('  ')}`, ...lines, ...faults];
}

function markOf(cells: readonly Cell[], row: string, column: Column, isRestarted: boolean): string {
  const cell = cells.find(
    (each) => each.row === row && each.column === column.name && each.isRestarted === isRestarted,
  );
  if (cell === undefined) return '–';
  if (cell.faults.length > 0) return '✖';
  return cell.isReached ? '✔' : 'not reached';
}

export function isMatrixPassed(cells: readonly Cell[]): boolean {
  return cells.length > 0 && cells.every(({ isReached, faults }) => isReached && faults.length === 0);
}
