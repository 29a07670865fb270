import { resolve } from 'node:path';
import { run } from 'node:test';
import { inspect } from 'node:util';

/** What one test file did, in a process of its own. */
export interface TestFileResult {
  readonly path: string;
  readonly durationMs: number;
  readonly passed: number;
  readonly failures: readonly TestFailure[];
  readonly skips: readonly { readonly name: string; readonly reason: string }[];
  /** What it wrote, for people who look into a failure. */
  readonly output: string;
}

export interface TestFailure {
  /** Suites and test, outermost first. */
  readonly name: string;
  readonly text: string;
}

/** Longer than any file may take; one that hangs fails by it instead of holding up the run. */
const FILE_TIMEOUT_MS = 600_000;

/** Runs one file; `directory` is where it is started. Never rejects: what goes wrong is a failure of the file. */
export async function runTestFile(
  path: string,
  directory: string,
  {
    testName,
    timeoutMs = FILE_TIMEOUT_MS,
  }: { readonly testName?: string | undefined; readonly timeoutMs?: number } = {},
): Promise<TestFileResult> {
  const startedMs = performance.now();
  const tally = new Tally(path, directory);
  const events = run({
    files: [path],
    cwd: directory,
    concurrency: false,
    signal: AbortSignal.timeout(timeoutMs),
    execArgv: ['--conditions=posthorn-source'],
    ...(testName === undefined ? {} : { testNamePatterns: testName }),
  });
  for await (const event of events) tally.add(event);
  return tally.result(performance.now() - startedMs, testName !== undefined);
}

interface RunnerEvent {
  readonly type: string;
  readonly data: {
    readonly name?: string;
    readonly nesting?: number;
    readonly file?: string | undefined;
    readonly skip?: string | boolean | undefined;
    readonly todo?: string | boolean | undefined;
    readonly message?: string;
    readonly line?: number | undefined;
    readonly details?: { readonly type?: string | undefined; readonly error?: unknown };
  };
}

class Tally {
  readonly #path: string;
  readonly #directory: string;
  readonly #fullPath: string;
  #passed = 0;
  #endedByItself = false;
  readonly #failures: TestFailure[] = [];
  readonly #skips: { name: string; reason: string }[] = [];
  /** Never run, because a hook or what stands around them failed. */
  readonly #cancelled: string[] = [];
  readonly #output: string[] = [];
  /** Names of the suites and tests we are in, by nesting. */
  readonly #names: string[] = [];
  /** Begun and not done, in execution order. */
  readonly #running = new Set<string>();

  constructor(path: string, directory: string) {
    this.#path = path;
    this.#directory = directory;
    this.#fullPath = resolve(directory, path);
  }

  add({ type, data }: RunnerEvent): void {
    const nesting = data.nesting ?? 0;
    if (type === 'test:start') this.#names.splice(nesting, Number.POSITIVE_INFINITY, data.name ?? '');
    else if (type === 'test:stdout' || type === 'test:stderr') this.#output.push(data.message ?? '');
    else if (type === 'test:summary' && data.file !== undefined) this.#endedByItself = true;
    else if (type === 'test:dequeue') this.#running.add(data.name ?? '');
    else if (type === 'test:complete') this.#running.delete(data.name ?? '');
    else if (type === 'test:pass') this.#addPass(data);
    else if (type === 'test:fail') this.#addFailure(data);
  }

  #nameOf({ name, nesting }: RunnerEvent['data']): string {
    return [...this.#names.slice(0, nesting ?? 0), name ?? ''].join(' › ');
  }

  #addPass(data: RunnerEvent['data']): void {
    const isSkipped = data.skip !== undefined && data.skip !== false;
    if (isSkipped) {
      this.#skips.push({ name: this.#nameOf(data), reason: typeof data.skip === 'string' ? data.skip : '' });
    } else if (data.todo !== undefined && data.todo !== false) {
      this.#failures.push({ name: this.#nameOf(data), text: 'It is marked todo: write it or take it out.' });
    } else if (data.details?.type !== 'suite' && !this.#isFileItself(data)) {
      this.#passed++;
    }
  }

  #addFailure(data: RunnerEvent['data']): void {
    const error = data.details?.error;
    // A suite or the file fails when something inside does; what is inside is told already.
    if (failureTypeOf(error) === 'subtestsFailed') return;
    if (failureTypeOf(error) === 'cancelledByParent') {
      this.#cancelled.push(this.#nameOf(data));
      return;
    }
    if (failureTypeOf(error) === 'testAborted') {
      const running = [...this.#running].filter((name) => name !== data.name).map((name) => `'${name}'`);
      const what = running.length === 0 ? 'something keeps its process alive' : `not done: ${running.join(', ')}`;
      this.#failures.push({ name: 'the file', text: `It did not end in time and was killed; ${what}.` });
      return;
    }
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    const place = data.line === undefined || this.#isFileItself(data) ? '' : `at line ${data.line}\n`;
    this.#failures.push({
      name: this.#isFileItself(data) ? 'the file' : this.#nameOf(data),
      text: place + textOf(cause),
    });
  }

  /** Node reports a file without any test, or one that ended early, as a test named by its path. */
  #isFileItself(data: RunnerEvent['data']): boolean {
    return data.nesting === 0 && data.name !== undefined && resolve(this.#directory, data.name) === this.#fullPath;
  }

  result(durationMs: number, isNarrowed: boolean): TestFileResult {
    if (this.#cancelled.length > 0) {
      this.#failures.push({ name: `${this.#cancelled.length} tests were not run`, text: this.#cancelled.join('\n') });
    }
    const ranNothing = this.#passed + this.#skips.length === 0 && !isNarrowed;
    if (this.#failures.length === 0 && (!this.#endedByItself || ranNothing)) {
      const what = this.#endedByItself
        ? 'It has no test.'
        : 'It has no test, or its process ended before its tests did.';
      this.#failures.push({ name: 'the file', text: what });
    }
    return {
      path: this.#path,
      durationMs,
      passed: this.#passed,
      failures: this.#failures,
      skips: this.#skips,
      output: this.#output.join(''),
    };
  }
}

/** Of an error that hid another one (`await using`), the hidden one first: it came first, and mostly is the reason. */
function textOf(cause: unknown): string {
  if (cause instanceof Error && 'suppressed' in cause && 'error' in cause) {
    return `${textOf(cause.suppressed)}\nand then, cleaning up:\n${textOf(cause.error)}`;
  }
  return typeof cause === 'string' ? cause : inspect(cause, { depth: 4 });
}

function failureTypeOf(error: unknown): unknown {
  return error instanceof Error && 'failureType' in error ? error.failureType : undefined;
}
