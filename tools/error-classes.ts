import { lineAt, type SourceText } from './source-text.ts';

/** A class that extends `PosthornError`, directly or by way of others. */
export interface ErrorClass {
  readonly name: string;
  readonly path: string;
  readonly line: number;
  readonly isAbstract: boolean;
  /** Written in its own body; `undefined` when it has none there. */
  readonly code: string | undefined;
}

/** All classes of Posthorn's errors in these sources, except the base itself. */
export function findErrorClasses(sources: readonly SourceText[]): ErrorClass[] {
  const classes = sources.flatMap(findClasses);
  const errors = new Set(['PosthornError']);
  for (let before = 0; before !== errors.size; ) {
    before = errors.size;
    for (const { name, base } of classes) if (errors.has(base)) errors.add(name);
  }
  return classes.filter(({ base }) => errors.has(base)).map(({ base: _, ...found }) => found);
}

export interface ErrorRow {
  readonly code: string;
  readonly when: string;
  readonly mend: string;
  readonly line: number;
}

/** The rows of every table `| code | when | mend |` in a Markdown text. */
export function readErrorRows(markdown: string): ErrorRow[] {
  const rows: ErrorRow[] = [];
  let isInTable = false;
  markdown.split('\n').forEach((text, index) => {
    const cells = text.startsWith('|') ? text.split(/(?<!\\)\|/).slice(1, -1) : [];
    const [code = '', when = '', mend = ''] = cells.map((cell) => cell.trim().replace(/^`([^`]*)`$/, '$1'));
    const isHead = code === 'code' && when === 'when' && mend === 'mend';
    if (isInTable && cells.length > 0 && !/^:?-+:?$/.test(code)) rows.push({ code, when, mend, line: index + 1 });
    isInTable = isHead || (isInTable && cells.length > 0);
  });
  return rows;
}

function findClasses(source: SourceText): (ErrorClass & { readonly base: string })[] {
  const heads = source.code.matchAll(
    /(?<![\w$.])(abstract\s+)?class\s+([\w$]+)(?:<[^{]*>)?\s+extends\s+([\w$]+)[^{]*\{/g,
  );
  return [...heads].map((match) => {
    const bodyAt = match.index + match[0].length;
    const body = ownMembers(source.code, bodyAt);
    const code = /(?<![\w$.#])code\s*(?::[^=;]*)?=\s*['"]/.exec(body);
    return {
      name: match[2] ?? '',
      base: match[3] ?? '',
      path: source.path,
      line: lineAt(source.text, match.index),
      isAbstract: match[1] !== undefined,
      code: code === null ? undefined : /^[^'"]*/.exec(source.text.slice(bodyAt + code.index + code[0].length))?.[0],
    };
  });
}

/** The body of a class from just behind its brace, as long as it was, with everything inside deeper braces blank. */
function ownMembers(code: string, bodyAt: number): string {
  let depth = 0;
  let kept = '';
  for (let at = bodyAt; at < code.length; at++) {
    const character = code[at] ?? '';
    if (character === '}') depth--;
    if (depth < 0) break;
    kept += depth === 0 ? character : ' ';
    if (character === '{') depth++;
  }
  return kept;
}
