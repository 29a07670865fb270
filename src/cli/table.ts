import CliTable from 'cli-table3';
import { harmless, type Terminal } from './terminal.ts';

export interface Column {
  readonly title: string;
  /** Numbers, sizes and ages. */
  readonly right?: true;
  /** May be cut when the terminal is too narrow, down to `widthMin`; the number is its share of the room there is. */
  readonly share?: number;
  readonly widthMin?: number;
  /** Cut at its beginning, because its end tells more. */
  readonly cutsStart?: true;
}

/** A table without borders that fits the terminal; nothing is cut when the output goes elsewhere. */
export function formatTable(
  terminal: Terminal,
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string {
  const cells = rows.map((row) => row.map(harmless));
  const widths = fittingWidths(terminal.columns, columns, cells);
  const table = new CliTable({
    head: columns.map((column) => terminal.bold(column.title)),
    colAligns: columns.map((column) => (column.right ? 'right' : 'left')),
    colWidths: widths,
    chars: NO_LINES,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': GAP },
  });
  for (const row of cells)
    table.push(row.map((cell, index) => cutToWidth(cell, (widths[index] ?? 0) - GAP, columns[index])));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

const GAP = 2;
const WIDTH_MIN = 6;
const NO_LINES = Object.fromEntries(
  [
    'top',
    'top-mid',
    'top-left',
    'top-right',
    'bottom',
    'bottom-mid',
    'bottom-left',
    'bottom-right',
    'left',
    'left-mid',
    'mid',
    'mid-mid',
    'right',
    'right-mid',
    'middle',
  ].map((place) => [place, '']),
);

/** Widths with their gaps. While the line is too long, the column that has most for its share loses one character. */
function fittingWidths(
  columnsMax: number | undefined,
  columns: readonly Column[],
  cells: readonly (readonly string[])[],
): number[] {
  const widths = columns.map(
    (column, index) => Math.max(column.title.length, ...cells.map((row) => displayWidth(row[index] ?? ''))) + GAP,
  );
  if (columnsMax === undefined) return widths;
  const excess = widths.reduce((sum, width) => sum + width, 0) - GAP - columnsMax;
  for (let given = 0; given < excess; given++) {
    const index = mostGenerous(columns, widths);
    if (index === undefined) break;
    widths[index] = (widths[index] ?? 0) - 1;
  }
  return widths;
}

function mostGenerous(columns: readonly Column[], widths: readonly number[]): number | undefined {
  let most: number | undefined;
  let mostForShare = 0;
  for (const [index, column] of columns.entries()) {
    const width = (widths[index] ?? 0) - GAP;
    if (column.share === undefined || width <= Math.max(column.title.length, column.widthMin ?? WIDTH_MIN)) continue;
    if (width / column.share <= mostForShare) continue;
    most = index;
    mostForShare = width / column.share;
  }
  return most;
}

/** The text, or as much of it as fits into so many columns of a terminal. */
export function cutToWidth(text: string, width: number, column?: Pick<Column, 'cutsStart'>): string {
  if (displayWidth(text) <= width) return text;
  const characters = [...segmenter.segment(text)].map((part) => part.segment);
  const inOrder = column?.cutsStart ? characters.reverse() : characters;
  let kept: string[] = [];
  let keptWidth = 1;
  for (const character of inOrder) {
    keptWidth += displayWidth(character);
    if (keptWidth > width) break;
    kept.push(character);
  }
  if (column?.cutsStart) kept = kept.reverse();
  return column?.cutsStart ? `…${kept.join('')}` : `${kept.join('')}…`;
}

const segmenter = new Intl.Segmenter();
/** East Asian wide characters and pictographs take two columns. */
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Extended_Pictographic}/u;

function displayWidth(text: string): number {
  if (ASCII.test(text)) return text.length;
  let width = 0;
  for (const { segment } of segmenter.segment(text)) width += WIDE.test(segment) ? 2 : 1;
  return width;
}

const ASCII = /^[ -~]*$/;
