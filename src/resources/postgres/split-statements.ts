/**
 * The statements in a text of SQL, each as its first words, as PostgreSQL's own lexer divides them: semicolons within
 * quotes, dollar quotes, comments (which nest) and SQL function bodies divide nothing.
 *
 * Never throws, and takes time linear in the length. A quote or comment that is not closed reaches to the end; the server
 * refuses such a text whole.
 */
export function splitStatements(text: string): readonly Statement[] {
  const statements: Statement[] = [];
  let current = new StatementInMaking();
  for (let at = 0; at < text.length; ) {
    const token = readToken(text, at);
    at = token.end;
    if (token.kind === 'semicolon' && !current.isInBody) {
      if (current.words.length > 0) statements.push({ words: current.words });
      current = new StatementInMaking();
    } else if (token.kind !== 'space') current.add(token);
  }
  if (current.words.length > 0) statements.push({ words: current.words });
  return statements;
}

export interface Statement {
  /** The first tokens: words and quoted names in upper case, of anything else its first character. */
  readonly words: readonly string[];
}

/** So many say what a statement does. */
const WORDS_MAX = 8;

interface Token {
  readonly kind: 'space' | 'word' | 'quoted' | 'other' | 'semicolon';
  /** As it stands in `Statement.words`. */
  readonly word: string;
  readonly end: number;
}

class StatementInMaking {
  readonly words: string[] = [];
  #bodyDepth = 0;

  /** Between BEGIN ATOMIC and its END, in CREATE FUNCTION or CREATE PROCEDURE. */
  get isInBody(): boolean {
    return this.#bodyDepth > 0;
  }

  add({ kind, word }: Token): void {
    if (this.words.length < WORDS_MAX) this.words.push(word);
    if (kind !== 'word' || !this.#makesRoutine()) return;
    if (word === 'BEGIN' || (word === 'CASE' && this.isInBody)) this.#bodyDepth++;
    else if (word === 'END' && this.isInBody) this.#bodyDepth--;
  }

  #makesRoutine(): boolean {
    const [create, second = '', , fourth = ''] = this.words;
    const what = second === 'OR' ? fourth : second;
    return create === 'CREATE' && (what === 'FUNCTION' || what === 'PROCEDURE');
  }
}

const SPACE = /[ \t\n\r\f\v]+/y;
const WORD = /[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*/y;
const DOLLAR_QUOTE = /\$(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$/y;
const PARAMETER = /\$\d+/y;
const NUMBER = /[0-9.]+/y;
/** What PostgreSQL takes for the end of a line comment. */
const LINE_END = /[\n\r]/g;
/** A quote that goes on after a line break belongs to the one before, with its escapes. */
const GOES_ON = /[ \t\f\v]*[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*[\n\r])*'/y;

function readToken(text: string, at: number): Token {
  const space = endOf(SPACE, text, at) ?? commentEnd(text, at);
  if (space !== undefined) return { kind: 'space', word: '', end: space };
  const first = text.charAt(at);
  if (first === ';') return { kind: 'semicolon', word: ';', end: at + 1 };
  if (first === "'") return { kind: 'other', word: first, end: quoteEnd(text, at + 1, "'") };
  if (first === '"') {
    const end = quoteEnd(text, at + 1, '"');
    return { kind: 'quoted', word: text.slice(at + 1, Math.min(end - 1, at + 65)).toUpperCase(), end };
  }
  const dollar = endOf(DOLLAR_QUOTE, text, at);
  if (dollar !== undefined) return { kind: 'other', word: '$', end: dollarQuoteEnd(text, at, dollar) };
  const wordEnd = endOf(WORD, text, at);
  if (wordEnd === undefined)
    return { kind: 'other', word: first, end: endOf(PARAMETER, text, at) ?? endOf(NUMBER, text, at) ?? at + 1 };
  const isEscapeQuote = wordEnd === at + 1 && /e/i.test(first) && text.charAt(wordEnd) === "'";
  if (isEscapeQuote) return { kind: 'other', word: "'", end: escapeQuoteEnd(text, wordEnd + 1) };
  return { kind: 'word', word: text.slice(at, Math.min(wordEnd, at + 64)).toUpperCase(), end: wordEnd };
}

function endOf(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}

function commentEnd(text: string, at: number): number | undefined {
  if (text.startsWith('--', at)) {
    LINE_END.lastIndex = at;
    return LINE_END.test(text) ? LINE_END.lastIndex : text.length;
  }
  if (!text.startsWith('/*', at)) return undefined;
  let depth = 1;
  let end = at + 2;
  while (depth > 0 && end < text.length) {
    if (text.startsWith('*/', end)) depth--;
    else if (text.startsWith('/*', end)) depth++;
    else {
      end++;
      continue;
    }
    end += 2;
  }
  return end;
}

/** A doubled quote stands for itself. */
function quoteEnd(text: string, from: number, quote: string): number {
  for (let at = from; ; ) {
    const found = text.indexOf(quote, at);
    if (found < 0) return text.length;
    if (text.charAt(found + 1) !== quote) return found + 1;
    at = found + 2;
  }
}

function escapeQuoteEnd(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === '\\') at++;
    else if (character === "'") {
      if (text.charAt(at + 1) === "'") at++;
      else {
        const next = endOf(GOES_ON, text, at + 1);
        if (next === undefined) return at + 1;
        at = next - 1;
      }
    }
  }
  return text.length;
}

function dollarQuoteEnd(text: string, at: number, bodyAt: number): number {
  const tag = text.slice(at, bodyAt);
  const found = text.indexOf(tag, bodyAt);
  return found < 0 ? text.length : found + tag.length;
}
