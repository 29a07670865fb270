/**
 * A source file with its comments and the contents of its strings blanked out, so that the house rules can search code
 * without finding words that are only talked about. Every offset and line stays where it was.
 *
 * A scanner, not a parser. It knows strings, templates with their substitutions, comments and regular expressions; whether
 * a slash divides or begins an expression it tells from the character or word before it, which is wrong after `if (x) /re/`
 * and after `} / y`. The house writes neither.
 */
export interface SourceText {
  /** Relative to the repository, with `/`. */
  readonly path: string;
  readonly text: string;
  /** As long as `text`; comments, string contents and regular expressions are spaces, quotes and newlines stay. */
  readonly code: string;
  readonly comments: readonly { readonly offset: number; readonly text: string }[];
  readonly imports: readonly ImportReference[];
}

/** One place where a file names another: import, re-export, `import()`, or the URL of a worker. */
export interface ImportReference {
  readonly kind: 'import' | 'reexport' | 'dynamic' | 'url';
  /** As written; `undefined` where an `import()` computes it. For a URL the first fixed part of the text. */
  readonly specifier: string | undefined;
  readonly line: number;
  /** `import type` and `export type`: gone at run time. */
  readonly isTypeOnly: boolean;
}

export function readSource(path: string, text: string): SourceText {
  const { code, comments } = blankOut(text);
  return { path, text, code, comments, imports: findImports(text, code) };
}

/** Line of an offset, counted from 1. */
export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let index = text.indexOf('\n'); index !== -1 && index < offset; index = text.indexOf('\n', index + 1)) line++;
  return line;
}

const IMPORT_OR_REEXPORT =
  /(?<![.\w$])(import|export)\s+(?:type\s+)?(?:[\w$]+\s*,\s*)?(?:\*(?:\s+as\s+[\w$]+)?|\{[^{}]*\}|[\w$]+)\s*from\s*['"]/g;
const IMPORT_FOR_EFFECT = /(?<![.\w$])import\s*['"]/g;
const DYNAMIC_IMPORT = /(?<![.\w$])import\s*\(\s*/g;
const WORKER_URL = /(?<![.\w$])new\s+URL\s*\(\s*['"`]/g;

function findImports(text: string, code: string): ImportReference[] {
  const found: ImportReference[] = [];
  const add = (kind: ImportReference['kind'], offset: number, quoteAt: number | undefined): void => {
    const specifier = quoteAt === undefined ? undefined : stringAt(text, code, quoteAt);
    const isTypeOnly = /^(?:import|export)\s+type\s(?!\s*from\b)/.test(code.slice(offset, quoteAt));
    found.push({ kind, specifier, line: lineAt(text, offset), isTypeOnly });
  };
  for (const match of code.matchAll(IMPORT_OR_REEXPORT)) {
    add(match[1] === 'export' ? 'reexport' : 'import', match.index, match.index + match[0].length - 1);
  }
  for (const match of code.matchAll(IMPORT_FOR_EFFECT)) add('import', match.index, match.index + match[0].length - 1);
  for (const match of code.matchAll(DYNAMIC_IMPORT)) {
    const argumentAt = match.index + match[0].length;
    add('dynamic', match.index, /['"`]/.test(code[argumentAt] ?? '') ? argumentAt : undefined);
  }
  for (const match of code.matchAll(WORKER_URL)) add('url', match.index, match.index + match[0].length - 1);
  return found.sort((left, right) => left.line - right.line);
}

/** The string that begins with the quote at `quoteAt`, up to its end or to the first substitution of a template. */
function stringAt(text: string, code: string, quoteAt: number): string {
  const rest = code.slice(quoteAt + 1);
  const end = rest.search(code[quoteAt] === '`' ? /`|\$\{/ : /['"]/);
  return text.slice(quoteAt + 1, end === -1 ? undefined : quoteAt + 1 + end);
}

function blankOut(text: string): Pick<SourceText, 'code' | 'comments'> {
  const comments: { offset: number; text: string }[] = [];
  const blanks: string[] = [];
  let keptTo = 0;
  const blank = (from: number, to: number): void => {
    blanks.push(text.slice(keptTo, from), text.slice(from, to).replace(/[^\n]/g, ' '));
    keptTo = to;
  };
  /** Open braces of each template substitution we are in, the innermost last. */
  const substitutions: number[] = [];
  let at = 0;
  while (at < text.length) {
    const [one, two] = [text[at], text.slice(at, at + 2)];
    const depth = substitutions.length - 1;
    if (two === '//' || two === '/*') {
      const end = two === '//' ? endOr(text, text.indexOf('\n', at)) : endOr(text, text.indexOf('*/', at + 2), 2);
      comments.push({ offset: at, text: text.slice(at, end) });
      blank(at, end);
      at = end;
    } else if (one === "'" || one === '"') {
      const end = endOfQuoted(text, at, one);
      blank(at + 1, end - 1);
      at = end;
    } else if (one === '`' || (one === '}' && substitutions[depth] === 0)) {
      if (one === '}') substitutions.pop();
      const end = endOfTemplatePart(text, at + 1);
      const opensSubstitution = text[end - 1] === '{';
      if (opensSubstitution) substitutions.push(0);
      blank(at + 1, end - (opensSubstitution ? 2 : 1));
      at = end;
    } else if (one === '/' && beginsExpression(text.slice(Math.max(0, at - 40), at))) {
      const end = endOfRegularExpression(text, at);
      blank(at + 1, end - 1);
      at = end;
    } else {
      if (depth >= 0 && one === '{') substitutions[depth] = (substitutions[depth] ?? 0) + 1;
      if (depth >= 0 && one === '}') substitutions[depth] = (substitutions[depth] ?? 0) - 1;
      at++;
    }
  }
  blanks.push(text.slice(keptTo));
  return { code: blanks.join(''), comments };
}

function endOr(text: string, found: number, width = 0): number {
  return found === -1 ? text.length : found + width;
}

/** Just behind the closing quote; a string ends with its line at the latest. */
function endOfQuoted(text: string, from: number, quote: string): number {
  let at = from + 1;
  while (at < text.length && text[at] !== quote && text[at] !== '\n') at += text[at] === '\\' ? 2 : 1;
  return Math.min(at + 1, text.length);
}

/** Just behind the closing backtick, or behind the `${` that opens a substitution. */
function endOfTemplatePart(text: string, from: number): number {
  let at = from;
  while (at < text.length) {
    if (text[at] === '\\') at += 2;
    else if (text[at] === '`') return at + 1;
    else if (text[at] === '$' && text[at + 1] === '{') return at + 2;
    else at++;
  }
  return text.length;
}

function endOfRegularExpression(text: string, from: number): number {
  let isInClass = false;
  let at = from + 1;
  while (at < text.length && text[at] !== '\n') {
    if (text[at] === '\\') at++;
    else if (text[at] === '[') isInClass = true;
    else if (text[at] === ']') isInClass = false;
    else if (text[at] === '/' && !isInClass) return at + 1;
    at++;
  }
  return at;
}

function beginsExpression(before: string): boolean {
  const trimmed = before.trimEnd();
  if (/(?:^|[^\w$.])(?:return|typeof|case|in|of|do|else|void|throw|new|delete|await|yield)$/.test(trimmed)) return true;
  return !/[\w$)\]'"`]$/.test(trimmed);
}
