import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { REPOSITORY } from '../repository-files.ts';
import { giveTo, type ServerOwner } from './server-owner.ts';

/**
 * Fills an empty `dataDirectory` with a new cluster. The first one is made by the database's own program and kept beside
 * the installed packages (`npm ci` clears it away); every later one is a copy of it, which takes a fraction of a second.
 */
export function fillDataDirectory(dataDirectory: string, recipe: TemplateRecipe): void {
  // What root made, nobody else may read.
  const name = `${recipe.name} ${process.getuid?.() ?? ''}`;
  const template = join(CACHE, name.replaceAll(/[^\w.]+/g, '-'));
  if (!existsSync(template)) makeTemplate(template, recipe);
  cpSync(template, dataDirectory, { recursive: true });
  giveTo(recipe.owner, dataDirectory);
}

export interface TemplateRecipe {
  /** With the version, and changed whenever the arguments are. */
  readonly name: string;
  readonly owner: ServerOwner | undefined;
  readonly command: string;
  readonly arguments: (dataDirectory: string) => readonly string[];
}

const CACHE = join(REPOSITORY, 'node_modules', '.cache', 'posthorn-databases');

/** Made elsewhere, because its owner may not see our repository, and put in place by one rename: others may do the same. */
function makeTemplate(template: string, recipe: TemplateRecipe): void {
  const directory = mkdtempSync(join(tmpdir(), 'posthorn-template-'));
  const made = `${template}.${process.pid}`;
  try {
    giveTo(recipe.owner, directory);
    const data = join(directory, 'data');
    mkdirSync(data);
    giveTo(recipe.owner, data);
    execFileSync(recipe.command, recipe.arguments(data), {
      ...recipe.owner,
      cwd: directory,
      env: { ...process.env, HOME: directory, TMPDIR: directory, LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    mkdirSync(CACHE, { recursive: true });
    cpSync(data, made, { recursive: true });
    putInPlace(made, template);
  } finally {
    rmSync(directory, { recursive: true, force: true });
    rmSync(made, { recursive: true, force: true });
  }
}

function putInPlace(made: string, template: string): void {
  try {
    renameSync(made, template);
  } catch (error) {
    // Another process was faster: its template is as good as ours.
    if (!existsSync(template)) throw error;
  }
}
