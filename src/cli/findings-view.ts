import type { Finding } from '../transactions/resource-manager.ts';
import { countOf } from './format.ts';
import { harmless, type Terminal } from './terminal.ts';
import { printJson } from './verb.ts';
import { wrap } from './wrap.ts';

/** Writes what an examination finds as soon as it is found, in the look of `ping`, and at the end what is wrong. */
export class FindingsView {
  readonly #terminal: Terminal;
  readonly #asJson: boolean;
  readonly #failed: string[] = [];
  #warnings = 0;
  #subjects = 0;
  /** Steps in a row that were not taken for one reason: a line for all of them. */
  #skipped: readonly Finding[] = [];

  constructor(terminal: Terminal, options: { readonly asJson: boolean }) {
    this.#terminal = terminal;
    this.#asJson = options.asJson;
  }

  get isWell(): boolean {
    return this.#failed.length === 0;
  }

  /** Begins with something else: the findings until the next call are about it. */
  begin(subject: string, title: string): (finding: Finding) => void {
    if (!this.#asJson) {
      this.#printSkipped();
      if (this.#subjects > 0) this.#terminal.print('');
      for (const line of wrap(title, this.#terminal.columns)) this.#terminal.print(this.#terminal.bold(line));
    }
    this.#subjects++;
    return (finding) => this.#tell(subject, finding);
  }

  /** After the last. */
  end(): void {
    if (this.#asJson) return;
    this.#printSkipped();
    const { columns } = this.#terminal;
    const warnings = this.#warnings === 0 ? '' : ` ${countOf(this.#warnings, 'warning')}.`;
    const verdict = this.isWell
      ? `Nothing is wrong.${warnings}`
      : `${countOf(this.#failed.length, 'step')} failed: ${this.#failed.join(', ')}.${warnings}`;
    this.#terminal.print('');
    for (const line of wrap(verdict, columns)) this.#terminal.print(this.#terminal.bold(line));
  }

  #tell(subject: string, finding: Finding): void {
    if (finding.outcome === 'failed') this.#failed.push(`${subject} (${finding.step})`);
    if (finding.outcome === 'warning') this.#warnings++;
    if (this.#asJson) {
      printJson(this.#terminal, findingJson(subject, finding));
      return;
    }
    if (finding.outcome !== 'skipped' || finding.text !== this.#skipped[0]?.text) this.#printSkipped();
    if (finding.outcome === 'skipped') this.#skipped = [...this.#skipped, finding];
    else this.#print(finding);
  }

  #printSkipped(): void {
    const [first, ...more] = this.#skipped;
    this.#skipped = [];
    if (first === undefined) return;
    this.#print(more.length === 0 ? first : { ...first, step: `${first.step} and ${more.length} more` });
  }

  #print(finding: Finding): void {
    for (const line of findingLines(finding, this.#terminal.columns)) this.#terminal.print(line);
  }
}

function findingJson(subject: string, { tookMs, ...finding }: Finding) {
  return { subject, ...finding, ...(tookMs !== undefined && { tookMs: Math.round(tookMs) }) };
}

/** The mend stands under its failure: whoever reads from the top mends from the top. */
export function findingLines(finding: Finding, columns: number | undefined): readonly string[] {
  const { step, outcome, text, mend, tookMs } = finding;
  const wholeMs = Math.round(tookMs ?? 0);
  const took = wholeMs === 0 ? '' : `, ${wholeMs} ms`;
  const head = `  ${OUTCOME_WORDS[outcome].padEnd(OUTCOME_WIDTH)}${step.padEnd(STEP_WIDTH)} `;
  const indent = ' '.repeat(OUTCOME_WIDTH + STEP_WIDTH + 3);
  const width = columns === undefined ? undefined : Math.max(24, columns - indent.length);
  const [first = '', ...rest] = wrap(`${text.replace(/\.$/, '')}${took}`, width);
  return [
    head.length > indent.length ? head.trimEnd() : `${head}${first}`,
    ...(head.length > indent.length ? [first, ...rest] : rest).map((line) => `${indent}${line}`),
    ...mendLines(mend, width).map((line) => `${indent}${line}`),
  ].map((line) => line.trimEnd());
}

/** What follows a sentence on lines of its own, SQL say, is there to be copied and is not broken. */
function mendLines(mend: string | undefined, width: number | undefined): readonly string[] {
  if (mend === undefined || mend === '') return [];
  const [sentence = '', ...rest] = mend.split('\n');
  return [...wrap(sentence, width), ...rest.map(harmless)];
}

const OUTCOME_WORDS: Readonly<Record<Finding['outcome'], string>> = {
  ok: 'ok',
  failed: 'FAILED',
  warning: 'warn',
  skipped: '-',
};
const OUTCOME_WIDTH = 8;
/** Of the longest step that databases are asked. */
const STEP_WIDTH = 21;
