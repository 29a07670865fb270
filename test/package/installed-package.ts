import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { REPOSITORY } from '../../tools/repository-files.ts';

/** The package as its users get it: packed from a copy of this checkout, installed in an empty project outside of it. */
export class InstalledPackage {
  readonly #directory: string;
  /** The tarball that would be published. */
  readonly tarball: string;
  /** Paths in the tarball. */
  readonly files: readonly string[];
  /** Of everything in the tarball, unpacked. */
  readonly unpackedBytes: number;
  /** The user's project. */
  readonly project: string;

  private constructor(directory: string, checkout: string, packed: Packed) {
    this.#directory = directory;
    this.tarball = join(checkout, packed.filename);
    this.files = packed.files.map(({ path }) => path);
    this.unpackedBytes = packed.unpackedSize;
    this.project = join(directory, 'project');
  }

  /** Packs and installs; needs the registry for the dependencies that npm has not kept from an earlier time. */
  static make(): InstalledPackage {
    const directory = mkdtempSync(join(tmpdir(), 'posthorn-package-'));
    try {
      const checkout = join(directory, 'checkout');
      copyCheckout(checkout);
      // `prepare` writes to standard output too; the answer of npm is what begins with the bracket of a list.
      const { stdout } = succeed(run('npm', ['pack', '--json'], checkout));
      const [packed] = JSON.parse(stdout.slice(stdout.search(/^\[/m)));
      const made = new InstalledPackage(directory, checkout, packed);
      mkdirSync(made.project);
      made.write('package.json', '{ "name": "user", "type": "module", "private": true }\n');
      succeed(run('npm', ['install', made.tarball, '--no-audit', '--no-fund', '--prefer-offline'], made.project));
      return made;
    } catch (error) {
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** The package in the user's project. */
  get path(): string {
    return join(this.project, 'node_modules', 'posthorn');
  }

  /** Writes a file of the user. */
  write(name: string, text: string): void {
    writeFileSync(join(this.project, name), text);
  }

  /** Runs a command in the user's project, on the Node.js that Posthorn asks for. */
  run(command: string, ...given: readonly string[]): SpawnSyncReturns<string> {
    return run(command, given, this.project);
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
  readonly unpackedSize: number;
}

/** Long enough for a registry far away. */
const COMMAND_TIMEOUT_MS = 120_000;

/** A copy, because packing builds dist/ anew while other tests may use it. */
function copyCheckout(to: string): void {
  const parts = [
    'package.json',
    '.npmrc',
    'tsconfig.json',
    'tsconfig.build.json',
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
  ];
  for (const part of [...parts, 'bin', 'docs', 'src', 'tools']) {
    cpSync(join(REPOSITORY, part), join(to, part), { recursive: true });
  }
  symlinkSync(join(REPOSITORY, 'node_modules'), join(to, 'node_modules'));
}

function run(command: string, given: readonly string[], directory: string): SpawnSyncReturns<string> {
  return spawnSync(command, given, {
    cwd: directory,
    encoding: 'utf8',
    timeout: COMMAND_TIMEOUT_MS,
    env: userEnvironment(),
  });
}

/** What a user's shell has: the right Node.js first, nothing of ours, of the npm around us, or of the test runner. */
export function userEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(?:npm_|NODE_|POSTHORN_|INIT_CWD$)/.test(name));
  const path = [join(REPOSITORY, 'node_modules', '.bin'), process.env.PATH].join(delimiter);
  return { ...Object.fromEntries(kept), PATH: path };
}

function succeed(done: SpawnSyncReturns<string>): SpawnSyncReturns<string> {
  if (done.error !== undefined) throw done.error;
  if (done.status !== 0)
    throw new Error(`It ended with ${done.signal ?? done.status}:\n${done.stdout}\n${done.stderr}`);
  return done;
}
