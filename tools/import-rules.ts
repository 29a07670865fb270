import { posix } from 'node:path';
import type { Finding } from './finding.ts';
import { isTest } from './house-rules.ts';
import { ENTRIES, type Layer, layerOf } from './layers.ts';
import { type ImportReference, lineAt, type SourceText } from './source-text.ts';

/** What a package.json allows to be imported. */
export interface Packages {
  readonly name: string;
  /** Needed at run time: dependencies and peers. */
  readonly shipped: readonly string[];
  readonly development: readonly string[];
}

/** What can only be told of all files together: who imports whom. */
export function checkImports(sources: readonly SourceText[], packages: Packages): Finding[] {
  const inSource = sources.filter(({ path }) => path.startsWith('src/'));
  return [
    ...inSource.flatMap((source) => checkPlace(source)),
    ...inSource.flatMap((source) => source.imports.flatMap((reference) => checkReference(source, reference, packages))),
    ...inSource.flatMap((source) => checkReexports(source)),
    ...sources.flatMap((source) => checkOutside(source)),
    ...checkCycles(inSource),
    ...checkDeadFiles(inSource),
  ];
}

/** The repository path that a relative specifier names; `undefined` for packages and for what is computed. */
export function resolveImport(path: string, specifier: string | undefined): string | undefined {
  if (specifier === undefined || !/^\.{1,2}(?:\/|$)/.test(specifier)) return undefined;
  return posix.join(posix.dirname(path), specifier);
}

function checkPlace(source: SourceText): Finding[] {
  if (layerOf(source.path) !== undefined) return [];
  return [
    {
      path: source.path,
      line: 1,
      rule: 'layers',
      what: posix.dirname(source.path),
      because: 'this folder has no place in the table of layers',
      mend: 'Give it one in tools/layers.ts and in ARCHITECTURE.md, or move the file to a folder that has one.',
    },
  ];
}

function checkReference(source: SourceText, reference: ImportReference, packages: Packages): Finding[] {
  const finding = (rule: Finding['rule'], because: string, mend: string): Finding[] => {
    const what = reference.specifier ?? 'import(…)';
    return [{ path: source.path, line: reference.line, rule, what, because, mend }];
  };
  const { specifier } = reference;
  if (reference.kind === 'url') return [];
  if (specifier === undefined) {
    return finding('imports', 'a computed import() hides who needs whom', 'Write the file or package as plain text.');
  }
  const target = resolveImport(source.path, specifier);
  if (target === undefined) return checkPackage(source.path, specifier, packages, finding);
  if (!/\.(?:ts|json)$/.test(target)) {
    return finding('imports', 'an import names its file', "End it in '.ts'.");
  }
  if (posix.basename(target) === 'index.ts') {
    return finding('imports', 'a barrel ties knots', 'Import the file that declares the name.');
  }
  if (target.startsWith('src/exports/') && !source.path.startsWith('src/exports/')) {
    return finding('layers', 'nothing inside imports the public edges', 'Import the file that declares the name.');
  }
  return checkLayer(source.path, target, reference.isTypeOnly, finding);
}

type MakeFinding = (rule: Finding['rule'], because: string, mend: string) => Finding[];

function checkPackage(path: string, specifier: string, packages: Packages, finding: MakeFinding): Finding[] {
  if (/^(?:node:|#|\/|file:|data:)/.test(specifier)) return [];
  const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
  if (name === packages.name) {
    return finding('layers', 'nothing inside imports the public edges', 'Import the file that declares the name.');
  }
  if (packages.shipped.includes(name) || (isTest(path) && packages.development.includes(name))) return [];
  const isForDevelopment = packages.development.includes(name);
  return finding(
    'packages',
    isForDevelopment ? 'users do not get development dependencies' : 'package.json does not name this package',
    isForDevelopment
      ? 'Import it in tests only, or move it to dependencies.'
      : 'Name it, with its exact version and a decision page, or do without.',
  );
}

function checkLayer(path: string, target: string, isTypeOnly: boolean, finding: MakeFinding): Finding[] {
  const from = layerOf(path);
  const to = layerOf(target);
  if (from === undefined || from === to) return [];
  if (to === undefined) {
    const isTestSupport = isTest(path) && target.startsWith('test/support/');
    if (target.startsWith('src/') || isTestSupport) return [];
    return finding('layers', 'src/ stands alone', 'Move what is needed into src/, or the test to test/.');
  }
  if (from.mayImport === 'everything' || from.mayImport.includes(to.folder)) return [];
  if (isTypeOnly && from.mayImportTypesOf?.includes(to.folder) === true) return [];
  if (isTest(path) && to.folder === 'testing') return [];
  return finding('layers', `${from.folder}/ may not import ${to.folder}/`, mendOfLayer(from, to));
}

function mendOfLayer(from: Layer, to: Layer): string {
  const types = (from.mayImportTypesOf ?? []).map((folder) => `types of ${folder}`);
  const allowed = [...from.mayImport, ...types].join(', ') || 'nothing of ours';
  return (
    `${from.folder}/ holds ${from.holds} and imports ${allowed}. Let ${to.folder}/ hand in what is needed through a parameter, ` +
    'or move the shared part to a folder that both may import (tools/layers.ts).'
  );
}

/** `export … from` and `import { a } …; export { a }`. */
function checkReexports(source: SourceText): Finding[] {
  if (source.path.startsWith('src/exports/')) return [];
  const finding = (what: string, line: number): Finding => ({
    path: source.path,
    line,
    rule: 're-exports',
    what,
    because: 'only src/exports/ re-exports; anywhere else it makes a second way to one thing',
    mend: 'Import the name where it is declared.',
  });
  const direct = source.imports
    .filter(({ kind }) => kind === 'reexport')
    .map(({ specifier, line }) => finding(specifier ?? '', line));
  const imported = new Set<string>();
  for (const [clause] of source.code.matchAll(/(?<![.\w$])import\s+[\w$\s{},*]+?from\s*['"]/g)) {
    for (const [name] of clause.replace(/\bfrom\s*['"]$|\bimport\b|\btype\b|[\w$]+\s+as\b/g, ' ').matchAll(/[\w$]+/g)) {
      imported.add(name);
    }
  }
  const indirect = [...source.code.matchAll(/(?<![.\w$])export\s+(?:type\s+)?\{([^{}]*)\}(?!\s*from)/g)].flatMap(
    (match) =>
      (match[1] ?? '')
        .split(',')
        .map(
          (part) =>
            part
              .trim()
              .replace(/^type\s+/, '')
              .split(/\s+as\s+/)[0] ?? '',
        )
        .filter((name) => imported.has(name))
        .map((name) => finding(name, lineAt(source.text, match.index))),
  );
  return [...direct, ...indirect];
}

/** Examples and the demo stand where a user stands. */
function checkOutside(source: SourceText): Finding[] {
  if (!/^(?:demo|examples)\//.test(source.path)) return [];
  return source.imports
    .filter(({ specifier }) => resolveImport(source.path, specifier)?.startsWith('src/') === true)
    .map(({ specifier, line }) => ({
      path: source.path,
      line,
      rule: 'imports',
      what: specifier ?? '',
      because: 'examples and the demo use what users get',
      mend: "Import 'posthorn' or one of its subpaths.",
    }));
}

/** One finding for each knot of files, with the shortest way around it. Imports of types count: they tie readers too. */
function checkCycles(sources: readonly SourceText[]): Finding[] {
  const edges = new Map(sources.map((source) => [source.path, targetsOf(source, ['import', 'reexport', 'dynamic'])]));
  const found: Finding[] = [];
  const told = new Set<string>();
  for (const path of edges.keys()) {
    if (told.has(path)) continue;
    const way = shortestWayAround(path, edges);
    if (way === undefined) continue;
    for (const knotted of way) told.add(knotted);
    const source = sources.find((candidate) => candidate.path === path);
    const first = source?.imports.find(({ specifier }) => resolveImport(path, specifier) === way[1]);
    found.push({
      path,
      line: first?.line ?? 1,
      rule: 'cycles',
      what: way.join(' → '),
      because: 'these files import each other in a circle, so none can be understood alone',
      mend: 'Move what both sides need into a file of its own that imports neither.',
    });
  }
  return found;
}

function shortestWayAround(start: string, edges: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const cameFrom = new Map<string, string>();
  const queue = [start];
  for (const path of queue) {
    for (const target of edges.get(path) ?? []) {
      if (target === start) {
        const way = [start];
        for (let at: string | undefined = path; at !== undefined && at !== start; at = cameFrom.get(at))
          way.splice(1, 0, at);
        return [...way, start];
      }
      if (cameFrom.has(target)) continue;
      cameFrom.set(target, path);
      queue.push(target);
    }
  }
  return undefined;
}

function checkDeadFiles(sources: readonly SourceText[]): Finding[] {
  const edges = new Map(
    sources.map((source) => [source.path, targetsOf(source, ['import', 'reexport', 'dynamic', 'url'])]),
  );
  const isEntry = (path: string): boolean =>
    ENTRIES.some((entry) => (entry.endsWith('/') ? path.startsWith(entry) : path === entry));
  const live = reachableFrom([...edges.keys()].filter(isEntry), edges);
  const tested = reachableFrom([...edges.keys()].filter(isTest), edges);
  return sources.flatMap(({ path }): Finding[] => {
    if (live.has(path) || isTest(path)) return [];
    const isForTests = path.startsWith('src/testing/') && tested.has(path);
    if (isForTests) return [];
    const because = tested.has(path)
      ? 'only tests reach this file, and it would be shipped to users'
      : `nothing that starts at ${ENTRIES.join(' or ')} reaches this file`;
    const mend = tested.has(path) ? 'Move it to test/support/ or src/testing/, or delete it.' : 'Use it or delete it.';
    return [{ path, line: 1, rule: 'dead files', what: posix.basename(path), because, mend }];
  });
}

function reachableFrom(starts: readonly string[], edges: ReadonlyMap<string, readonly string[]>): Set<string> {
  const reached = new Set(starts);
  for (const path of reached) for (const target of edges.get(path) ?? []) reached.add(target);
  return reached;
}

/** The files that a source names. The extension of a worker's URL is taken at run time, so it may be missing here. */
function targetsOf(source: SourceText, kinds: readonly ImportReference['kind'][]): string[] {
  const named = source.imports.filter(({ kind }) => kinds.includes(kind));
  return named.flatMap(({ kind, specifier }) => {
    const target = resolveImport(source.path, specifier);
    if (target === undefined) return [];
    return [kind === 'url' ? target.replace(/\.(?:ts|js)?$/, '').concat('.ts') : target];
  });
}
