import { chmodSync, lchownSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

/** Whom the servers run as: their programs refuse to run as root, or should not. */
export interface ServerOwner {
  readonly uid: number;
  readonly gid: number;
}

/** An unprivileged user when we are root, the first of these that exists; otherwise ourselves (`undefined`). */
export function serverOwner(preferredUser: string): ServerOwner | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  for (const wanted of [preferredUser, 'nobody']) {
    const [, , uid, gid] = users.find(([name]) => name === wanted) ?? [];
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error(`We are root, and there is no user '${preferredUser}' or 'nobody' that a server could run as.`);
}

/** Makes the folder where it is missing, gives it to the owner, and lets the owner come to it through its parents. */
export function makeFolderOf(owner: ServerOwner | undefined, directory: string): void {
  mkdirSync(directory, { recursive: true });
  giveTo(owner, directory);
  if (owner === undefined) return;
  for (let path = dirname(resolve(directory)); path !== dirname(path); path = dirname(path)) {
    const { mode } = statSync(path);
    if ((mode & WALK_THROUGH) !== 0) continue;
    if (!path.startsWith(tmpdir())) {
      throw new Error(`'${path}' is closed to the server's user: give its data a directory that others can reach.`);
    }
    chmodSync(path, mode | WALK_THROUGH);
  }
}

/** Others may go through the folder, without seeing what is in it. */
const WALK_THROUGH = 0o001;

/** Gives a folder with all that is in it to the owner, and closes it to others. */
export function giveTo(owner: ServerOwner | undefined, directory: string): void {
  chmodSync(directory, 0o700);
  if (owner === undefined) return;
  lchownSync(directory, owner.uid, owner.gid);
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    lchownSync(join(directory, name), owner.uid, owner.gid);
  }
}
