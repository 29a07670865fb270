import { posix } from 'node:path';
import type { Finding } from './finding.ts';
import { lineAt, type SourceText } from './source-text.ts';

/** What can be told of one file alone: its size, the doors it goes through, its types, errors and excuses. */
export function checkFile(source: SourceText): Finding[] {
  return [
    ...checkSize(source),
    ...checkDoors(source),
    ...checkSleep(source),
    ...checkTypes(source),
    ...checkErrors(source),
    ...checkSwallowed(source),
    ...checkReasons(source),
  ];
}

export const LINES_PER_FILE_MAX = 400;

function checkSize(source: SourceText): Finding[] {
  const lines = source.text.trimEnd().split('\n').length;
  if (lines <= LINES_PER_FILE_MAX) return [];
  return [
    {
      path: source.path,
      line: LINES_PER_FILE_MAX + 1,
      rule: 'size',
      what: `${lines} lines`,
      because: `a file over ${LINES_PER_FILE_MAX} lines holds two ideas`,
      mend: 'Split it by idea, and name each file after its main export.',
    },
  ];
}

/** A name or module that reaches the world, and the door to use instead. */
interface Forbidden {
  readonly what: string;
  readonly pattern: RegExp;
  readonly mend: string;
}

const CLOCK = 'Take `io.clock`: wallNowMs() for display and deadlines, monotonicNowMs() for durations (src/io/io.ts).';
const TIMERS = 'Take `io.timers`: after(delayMs, action) or soon(action) (src/io/io.ts).';
const RANDOM = 'Take `io.random`: uuid() or fraction() (src/io/io.ts).';
const FILES = 'Take a file door of src/io/, or add a small one there.';
const NETWORK = 'Take a network door of src/io/, or add a small one there.';

const FORBIDDEN_NAMES: readonly Forbidden[] = [
  { what: 'Date.now', pattern: globalName('Date\\s*\\.\\s*now\\b'), mend: CLOCK },
  { what: 'new Date()', pattern: /(?<![\w$.])new\s+Date\s*(?:\(\s*\)|(?=[;,)\].]))/g, mend: CLOCK },
  { what: 'Date()', pattern: /(?<![\w$.]|new\s)Date\s*\(\s*\)/g, mend: CLOCK },
  { what: 'performance.now', pattern: globalName('performance\\s*\\.\\s*now\\b'), mend: CLOCK },
  { what: 'process.hrtime', pattern: globalName('process\\s*\\.\\s*hrtime\\b'), mend: CLOCK },
  { what: 'Math.random', pattern: globalName('Math\\s*\\.\\s*random\\b'), mend: RANDOM },
  { what: 'randomUUID', pattern: anyName('randomUUID'), mend: RANDOM },
  { what: 'randomBytes', pattern: anyName('randomBytes'), mend: RANDOM },
  { what: 'randomInt', pattern: anyName('randomInt'), mend: RANDOM },
  { what: 'getRandomValues', pattern: anyName('getRandomValues'), mend: RANDOM },
  { what: 'setTimeout', pattern: globalName('setTimeout\\b'), mend: TIMERS },
  { what: 'setInterval', pattern: globalName('setInterval\\b'), mend: TIMERS },
  { what: 'setImmediate', pattern: globalName('setImmediate\\b'), mend: TIMERS },
  { what: 'AbortSignal.timeout', pattern: globalName('AbortSignal\\s*\\.\\s*timeout\\b'), mend: TIMERS },
  { what: 'fetch', pattern: globalName('fetch\\s*\\('), mend: NETWORK },
  { what: 'getBuiltinModule', pattern: anyName('getBuiltinModule'), mend: 'Import the door of src/io/ that you need.' },
];

const FORBIDDEN_MODULES: readonly { readonly modules: readonly string[]; readonly mend: string }[] = [
  { modules: ['fs', 'fs/promises'], mend: FILES },
  { modules: ['net', 'tls', 'dgram', 'dns', 'dns/promises', 'http', 'https', 'http2'], mend: NETWORK },
  { modules: ['timers', 'timers/promises'], mend: TIMERS },
  { modules: ['sqlite'], mend: 'Only src/store/ writes SQL: ask the store through src/store/store.ts.' },
  {
    modules: ['child_process', 'cluster'],
    mend: 'A process is started by its user, not by the bus; move this to test/ or tools/.',
  },
];

function checkDoors(source: SourceText): Finding[] {
  if (!source.path.startsWith('src/') || /^src\/(?:io|store)\//.test(source.path) || isTest(source.path)) return [];
  const because = 'outside src/io and src/store nothing reaches the clock, chance, timers, files or sockets';
  const names = FORBIDDEN_NAMES.flatMap(({ what, pattern, mend }) =>
    linesOf(source, pattern).map((line): Finding => ({ path: source.path, line, rule: 'doors', what, because, mend })),
  );
  const modules = source.imports.flatMap(({ specifier, line }): Finding[] => {
    const module = specifier?.replace(/^node:/, '') ?? '';
    const forbidden = FORBIDDEN_MODULES.find(({ modules }) => modules.includes(module));
    if (forbidden === undefined) return [];
    return [{ path: source.path, line, rule: 'doors', what: `node:${module}`, because, mend: forbidden.mend }];
  });
  return [...names, ...modules];
}

function checkSleep(source: SourceText): Finding[] {
  if (!isTest(source.path) && !source.path.startsWith('test/')) return [];
  const finding = (what: string, line: number): Finding => ({
    path: source.path,
    line,
    rule: 'sleep',
    what,
    because: 'a test that sleeps is slow where the machine is fast and fails where it is slow',
    mend: 'Wait for the event or promise that tells, or use the virtual clock; `timeout` of the test bounds it.',
  });
  const sleeps: readonly [string, RegExp][] = [
    ['setTimeout', globalName('setTimeout\\b')],
    ['setInterval', globalName('setInterval\\b')],
    ['Atomics.wait', globalName('Atomics\\s*\\.\\s*wait\\b')],
  ];
  return [
    ...sleeps.flatMap(([what, pattern]) => linesOf(source, pattern).map((line) => finding(what, line))),
    ...source.imports
      .filter(({ specifier }) => /^(?:node:)?timers(?:\/promises)?$/.test(specifier ?? ''))
      .map(({ specifier, line }) => finding(specifier ?? '', line)),
  ];
}

function checkTypes(source: SourceText): Finding[] {
  const inPlaceOfType =
    /(?<=(?:[:<,|&([=>]|(?<![\w$.])(?:as|extends|satisfies|is|keyof))\s*)(?<![\w$])any(?![\w$]|\s*[:?(])/g;
  return linesOf(source, inPlaceOfType)
    .filter((line) => !isExcused(source, line))
    .map((line) => ({
      path: source.path,
      line,
      rule: 'types',
      what: 'any',
      because: 'it switches the compiler off for all that touches it',
      mend: 'Write the type or `unknown`; inside a generic builder give the reason in a biome-ignore on the line above.',
    }));
}

function checkErrors(source: SourceText): Finding[] {
  if (!source.path.startsWith('src/') || isTest(source.path)) return [];
  return matchesOf(source, /(?<![\w$.])(?:new\s+)?((?:Type|Range|Reference|Syntax|Eval|URI)?Error)\s*\(/g).map(
    ({ line, match }) => ({
      path: source.path,
      line,
      rule: 'errors',
      what: `new ${match[1]}`,
      because: 'an error without a code and a mend helps nobody',
      mend: `Throw a class of ${posix.dirname(source.path)}/errors.ts that extends PosthornError, with a row in docs/errors.md.`,
    }),
  );
}

/** A caught error that nobody looks at needs a sentence: in the empty block, on its line, or on the line above. */
function checkSwallowed(source: SourceText): Finding[] {
  if (!source.path.startsWith('src/')) return [];
  const patterns = [
    /(?<![\w$.])catch\s*(?:\([^()]*\)\s*)?\{\s*\}/g,
    /\.catch\(\s*\(?[\w$]*\)?\s*=>\s*(?:\{\s*\}|undefined|null|void 0)\s*\)/g,
  ];
  return patterns
    .flatMap((pattern) => matchesOf(source, pattern))
    .filter(({ line, match }) => {
      const lastLine = lineAt(source.text, match.index + match[0].length);
      return !hasComment(source, line - 1, lastLine);
    })
    .map(({ line }) => ({
      path: source.path,
      line,
      rule: 'errors',
      what: 'empty catch',
      because: 'an error is swallowed and nobody is told',
      mend: 'Handle it, let it pass, or say in a comment there why it may be forgotten.',
    }));
}

const REASON_CHARACTERS_MIN = 10;

function checkReasons(source: SourceText): Finding[] {
  return source.comments.flatMap((comment): Finding[] => {
    const path = source.path;
    const line = lineAt(source.text, comment.offset);
    const directive = /^\/[/*]+\s*(@ts-(?:ignore|nocheck|expect-error)|biome-ignore(?:-all|-start)?)\b/.exec(
      comment.text,
    );
    const what = directive?.[1];
    if (directive === null || what === undefined) return [];
    if (what === '@ts-ignore' || what === '@ts-nocheck') {
      const mend = 'Mend the type, or use @ts-expect-error with the reason behind it.';
      return [{ path, line, rule: 'reasons', what, because: 'it hides errors that are not there yet', mend }];
    }
    const rest = comment.text.slice(directive[0].length).replace(/\*\/$/, '');
    const reason = what === '@ts-expect-error' ? rest : (/^\s+[\w/]+:(.*)$/s.exec(rest)?.[1] ?? '');
    if (reason.replace(/^[\s:–-]+/, '').trim().length >= REASON_CHARACTERS_MIN && !reason.includes('<explanation>'))
      return [];
    const mend = `Write behind it, in at least ${REASON_CHARACTERS_MIN} characters, why it is right here.`;
    return [{ path, line, rule: 'reasons', what, because: 'an exception without its reason is only a hole', mend }];
  });
}

export function isTest(path: string): boolean {
  return path.endsWith('.test.ts') || path.endsWith('.test-d.ts');
}

/** A global, bare or as a member of `globalThis`, but not the member of something else nor a property key. */
function globalName(pattern: string): RegExp {
  return new RegExp(`(?:(?<![\\w$.])|(?<=(?:globalThis|global)\\.))${pattern}(?!\\s*\\??:(?!:))`, 'g');
}

/** A name wherever it stands, as a member too. */
function anyName(name: string): RegExp {
  return new RegExp(`(?<![\\w$])${name}\\b`, 'g');
}

function matchesOf(
  source: SourceText,
  pattern: RegExp,
): { line: number; match: RegExpMatchArray & { index: number } }[] {
  return [...source.code.matchAll(pattern)].map((match) => {
    const firstCharacter = match.index + (match[0].length - match[0].trimStart().length);
    return { line: lineAt(source.text, firstCharacter), match };
  });
}

function linesOf(source: SourceText, pattern: RegExp): number[] {
  return [...new Set(matchesOf(source, pattern).map(({ line }) => line))];
}

function isExcused(source: SourceText, line: number): boolean {
  return source.comments.some(
    ({ offset, text }) => text.includes('biome-ignore') && lineAt(source.text, offset) === line - 1,
  );
}

function hasComment(source: SourceText, fromLine: number, toLine: number): boolean {
  return source.comments.some(({ offset, text }) => {
    const lastLine = lineAt(source.text, offset + text.length);
    return lastLine >= fromLine && lineAt(source.text, offset) <= toLine;
  });
}
