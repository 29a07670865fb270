import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { requireCapability } from '../support/capabilities.ts';
import {
  fixture,
  jsonLines,
  posthorn,
  startFixture,
  startPosthorn,
  temporaryDirectory,
} from '../support/command-line.ts';

const bound = { isBoundByPermissions: true };
/** `nobody`. */
const OTHER_USER = 65_534;

/** All ways to open a directory; what each says when it cannot. */
const WAYS: readonly [string, (directory: string) => Promise<string>][] = [
  ['an endpoint', async (directory) => (await startFixture('start-endpoint.ts', [directory], bound).ended).stdout],
  [
    'the host',
    async (directory) =>
      (await posthorn(['host', fixture('idle.ts'), '--directory', directory, '--json'], bound)).stderr,
  ],
  [
    'a verb',
    async (directory) =>
      (await posthorn(['send', 'x', '--body', '{}', '--create', '--directory', directory, '--json'], bound)).stderr,
  ],
];

function canBeAnothers(t: TestContext): boolean {
  return requireCapability(t, 'other-user', () =>
    process.getuid?.() === 0 ? undefined : 'only root can give a directory to another user',
  );
}

function giveAway(path: string, mode: number): void {
  chownSync(path, OTHER_USER, process.getgid?.() ?? OTHER_USER);
  chmodSync(path, mode);
}

describe('when a directory is not ours', { concurrency: 2 }, () => {
  test('every way to open it says that it cannot be used, and why, and what to name instead', async (t) => {
    if (!canBeAnothers(t)) return;
    using data = temporaryDirectory();
    const at = (name: string): string => join(data.path, name);
    for (const [name, mode] of [
      ['readable', 0o755],
      ['closed', 0o700],
      ['of-the-group', 0o750],
    ] as const) {
      mkdirSync(at(name));
      giveAway(at(name), mode);
    }
    writeFileSync(at('file'), '');
    const wrong: readonly [string, RegExp][] = [
      [at('readable'), /EACCES/],
      [at('closed'), /EACCES/],
      [at('of-the-group'), /EACCES/],
      [join(at('readable'), 'new'), /EACCES/],
      [at('file'), /not a directory/],
      ['/dev/null/new', /not a directory/],
    ];
    for (const [directory, why] of wrong) {
      const answers = await Promise.all(WAYS.map(async ([way, open]) => [way, await open(directory)] as const));
      for (const [way, said] of answers) {
        assert.match(said, /STORE_UNREACHABLE/, `${way}, ${directory}: ${said}`);
        assert.ok(said.includes(`The directory '${directory}' cannot be used`), said);
        assert.match(said, why);
        assert.match(said, /Name a directory that this user may write to/);
      }
    }
    const nameless = await startFixture('start-endpoint.ts', ['']).ended;
    assert.match(nameless.stdout, /STORE_UNREACHABLE.*its name is empty/);
  });

  test('of one that is ours, the file that somebody else left in it is named', async (t) => {
    if (!canBeAnothers(t)) return;
    using data = temporaryDirectory();
    const sent = await posthorn([
      'send',
      'keeper',
      '--type',
      'Keep',
      '--body',
      '{}',
      '--create',
      '--directory',
      data.path,
    ]);
    assert.equal(sent.exitCode, 0, sent.stderr);
    for (const [name, mode] of [
      ['posthorn.db', 0o600],
      ['posthorn.db', 0o644],
      ['in-flight', 0o600],
    ] as const) {
      const file = join(data.path, name);
      writeFileSync(file, '', { flag: 'a' });
      giveAway(file, mode);
      const { stdout } = await startFixture('start-endpoint.ts', [data.path], bound).ended;
      const [said] = jsonLines(stdout) as [{ code: string; text: string }];
      assert.equal(said.code, 'STORE_UNREACHABLE', said.text);
      assert.match(said.text, new RegExp(`EACCES: .*${name}`));
      chownSync(file, 0, 0);
    }
    const { stdout } = await startFixture('start-endpoint.ts', [data.path], bound).ended;
    assert.deepEqual(jsonLines(stdout), [{ code: 'HANDLED' }]);
  });

  test('one that is ours, or is made, lets nobody else in', async () => {
    using data = temporaryDirectory();
    const ours = join(data.path, 'ours');
    mkdirSync(ours);
    chmodSync(ours, 0o755);
    for (const directory of [ours, join(data.path, 'made', 'deep')]) {
      const { stdout } = await startFixture('start-endpoint.ts', [directory]).ended;
      assert.deepEqual(jsonLines(stdout), [{ code: 'HANDLED' }]);
      assert.equal(statSync(directory).mode & 0o777, 0o700, directory);
    }
  });

  test('one that its group may write to holds a store, stays open to the group, and nobody but its user reaches the control socket', async (t) => {
    if (!canBeAnothers(t)) return;
    using data = temporaryDirectory();
    const volume = join(data.path, 'volume');
    mkdirSync(volume);
    giveAway(volume, 0o2770);
    const alone = await startFixture('start-endpoint.ts', [volume], bound).ended;
    assert.deepEqual(jsonLines(alone.stdout), [{ code: 'HANDLED' }], alone.stderr);
    const host = startPosthorn(['host', fixture('idle.ts'), '--directory', volume], bound);
    await host.says('runs in process');
    assert.equal(statSync(volume).mode & 0o777, 0o770);
    const control = statSync(join(volume, 'control'));
    assert.deepEqual([control.mode & 0o777, control.uid], [0o700, process.getuid?.()]);
    assert.equal((await posthorn(['queues', '--directory', volume], bound)).exitCode, 0);
    assert.equal((await host.kill('SIGTERM')).exitCode, 0);
  });

  test('where the place of the control socket belongs to somebody else, the socket lies in the runtime directory', async (t) => {
    if (!canBeAnothers(t)) return;
    using data = temporaryDirectory();
    const volume = join(data.path, 'volume');
    const env = { XDG_RUNTIME_DIR: data.path };
    mkdirSync(join(volume, 'control'), { recursive: true });
    for (const path of [volume, join(volume, 'control')]) giveAway(path, 0o770);
    const host = startPosthorn(['host', fixture('idle.ts'), '--directory', volume], { ...bound, env });
    await host.says('runs in process');
    const queues = await posthorn(['queues', '--directory', volume], { ...bound, env });
    assert.match(queues.stdout, new RegExp(`runs in process ${host.process.pid}`));
    assert.equal(statSync(join(data.path, 'posthorn')).mode & 0o777, 0o700);
    assert.equal((await host.kill('SIGTERM')).stderr, '');
  });
});
