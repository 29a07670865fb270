import type { TestFileResult } from './run-test-file.ts';

/**
 * What a machine may lack (see test/support/capabilities.ts). A test that needs one skips with the text
 * `capability <name> missing: <reason>`; the names in POSTHORN_REQUIRE may not be missing.
 */
export const CAPABILITIES: readonly string[] = [
  'netns',
  'own-address',
  'other-user',
  'terminal',
  'tmpfs',
  'sync-faults',
  'postgres',
  'mariadb',
];

/** The names in POSTHORN_REQUIRE, and those among them that nothing knows. */
export function readRequired(value: string | undefined): { readonly names: string[]; readonly unknown: string[] } {
  const names = (value ?? '').split(',').map((name) => name.trim());
  const given = names.filter((name) => name !== '');
  return { names: given, unknown: given.filter((name) => !CAPABILITIES.includes(name)) };
}

export interface Verdict {
  readonly succeeded: boolean;
  readonly lines: readonly string[];
}

const SLOWEST_SHOWN = 5;

/** The end of a run: failures again, what could not be tested here, the slowest files, and the totals in the last line. */
export function judge(results: readonly TestFileResult[], required: readonly string[]): Verdict {
  const passed = sum(results, (result) => result.passed);
  const skipped = sum(results, (result) => result.skips.length);
  const missing = missingCapabilities(results);
  const problems = [
    ...results.flatMap(({ path, failures }) => failures.map(({ name }) => `${path}: ${name}`)),
    ...unexplainedSkips(results),
    ...[...missing.keys()]
      .filter((name) => required.includes(name))
      .map((name) => `POSTHORN_REQUIRE names '${name}', and tests were skipped for want of it`),
    ...(passed + skipped === 0 ? ['no test was run'] : []),
  ];
  return {
    succeeded: problems.length === 0,
    lines: [
      ...slowestFiles(results),
      ...block('Not tested on this machine:', describeMissing(missing)),
      ...block('Failed:', problems),
      '',
      `${passed} passed, ${problems.length} failed, ${skipped} skipped`,
    ],
  };
}

/** One line for a file that is done, and all about its failures. */
export function describeFile({ path, durationMs, passed, failures, skips, output }: TestFileResult): string[] {
  const counts = [
    `${passed} passed`,
    ...(failures.length === 0 ? [] : [`${failures.length} failed`]),
    ...(skips.length === 0 ? [] : [`${skips.length} skipped`]),
  ];
  const head = `${failures.length === 0 ? '✔' : '✖'} ${path}  ${counts.join(', ')}  (${seconds(durationMs)})`;
  if (failures.length === 0) return [head];
  return [
    head,
    ...failures.flatMap(({ name, text }) => ['', `  ✖ ${name}`, ...indent(text)]),
    ...(output.trim() === '' ? [] : ['', '  Output of the file:', ...indent(output.trimEnd())]),
    '',
  ];
}

const CAPABILITY_SKIP = /^capability (\S+) missing: (.+)$/s;

/** By capability, by reason: the tests that were skipped. */
function missingCapabilities(results: readonly TestFileResult[]): Map<string, Map<string, string[]>> {
  const missing = new Map<string, Map<string, string[]>>();
  for (const { path, skips } of results) {
    for (const { name: test, reason: text } of skips) {
      const [, name, reason] = CAPABILITY_SKIP.exec(text) ?? [];
      if (name === undefined || reason === undefined) continue;
      const reasons = missing.get(name) ?? new Map<string, string[]>();
      reasons.set(reason, [...(reasons.get(reason) ?? []), `${path}: ${test}`]);
      missing.set(name, reasons);
    }
  }
  return missing;
}

function unexplainedSkips(results: readonly TestFileResult[]): string[] {
  return results.flatMap(({ path, skips }) =>
    skips
      .filter(({ reason }) => !CAPABILITY_SKIP.test(reason))
      .map(({ name }) => `${path}: ${name}: skipped, but not by requireCapability (test/support/capabilities.ts)`),
  );
}

function describeMissing(missing: ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>): string[] {
  return [...missing].flatMap(([name, reasons]) =>
    [...reasons].flatMap(([reason, tests]) => [`${name}: ${reason}`, ...tests.map((test) => `  - ${test}`)]),
  );
}

function slowestFiles(results: readonly TestFileResult[]): string[] {
  const slowest = [...results].sort((left, right) => right.durationMs - left.durationMs).slice(0, SLOWEST_SHOWN);
  return block(
    'Slowest files:',
    slowest.map(({ path, durationMs }) => `${seconds(durationMs).padStart(10)}  ${path}`),
  );
}

function block(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', title, ...lines.map((line) => `  ${line}`)];
}

function indent(text: string): string[] {
  return text.split('\n').map((line) => `    ${line}`);
}

function seconds(durationMs: number): string {
  return `${(durationMs / 1000).toFixed(1)} s`;
}

function sum<T>(values: readonly T[], amount: (value: T) => number): number {
  return values.reduce((total, value) => total + amount(value), 0);
}
