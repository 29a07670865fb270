import { availableParallelism } from 'node:os';
import type { Endpoint } from '../endpoint/endpoint.ts';
import type { HostContext } from '../host/host-context.ts';
import { loadEndpoints } from '../host/load-endpoints.ts';
import { readBytes } from '../io/files.ts';
import { InvalidOption } from '../message/errors.ts';
import type { ResourceKind, ResourceManager } from '../transactions/resource-manager.ts';
import { UsageError } from './errors.ts';

/** A database that `doctor` is to look at. */
export interface ExaminedDatabase {
  readonly name: string;
  /** Tables whose engine is to be transactional. */
  readonly tables: readonly string[];
  /** Branches at a time. */
  readonly branchCount: number;
  /** @throws {PosthornError} DRIVER_MISSING, INVALID_OPTION */
  open(): Promise<ResourceManager>;
}

/**
 * The databases that files name: endpoint modules by the `resources` of their endpoints, files that end in `.json` by their
 * list. One that several endpoints share is there once, with the branches of all.
 *
 * @throws {PosthornError} a file cannot be loaded, or says something that it cannot mean
 */
export async function examinedDatabases(
  files: readonly string[],
  hostContext: HostContext,
): Promise<readonly ExaminedDatabase[]> {
  const isJson = (file: string): boolean => file.endsWith('.json');
  const found: ExaminedDatabase[] = [];
  for (const file of files.filter(isJson)) found.push(...(await readDatabases(file)));
  const modules = files.filter((file) => !isJson(file));
  if (modules.length > 0) found.push(...databasesOf(await loadEndpoints(modules, hostContext)));
  return found;
}

function databasesOf(endpoints: readonly Endpoint[]): readonly ExaminedDatabase[] {
  const branchCounts = new Map<ResourceManager, number>();
  for (const endpoint of endpoints) {
    for (const resource of endpoint.resources) {
      branchCounts.set(resource, (branchCounts.get(resource) ?? 0) + endpoint.branchCount);
    }
  }
  return [...branchCounts].map(([resource, branchCount]) => ({
    name: resource.name,
    tables: [],
    branchCount,
    open: async () => resource,
  }));
}

async function readDatabases(file: string): Promise<readonly ExaminedDatabase[]> {
  const whole = parse(file, Buffer.from(await readFile(file)).toString('utf8'));
  checkNames(file, whole, ['databases']);
  const { databases } = whole;
  if (!Array.isArray(databases) || databases.length === 0) {
    throw new InvalidOption(`${file}: databases`, 'is no list of databases', `Write ${EXAMPLE}.`);
  }
  return databases.map((each: unknown, index) => readDatabase(`${file}: databases[${index}]`, each));
}

function readDatabase(where: string, value: unknown): ExaminedDatabase {
  if (!isRecord(value)) throw new InvalidOption(where, 'is no object', `Write ${EXAMPLE}.`);
  checkNames(where, value, ['kind', 'name', 'connectionString', 'tables', 'branchCount']);
  const { kind, name, connectionString, tables = [], branchCount = Math.max(2, availableParallelism()) } = value;
  if (!isKind(kind)) throw new InvalidOption(`${where}.kind`, `is ${shown(kind)}`, "It is 'postgres' or 'mysql'.");
  checkText(`${where}.name`, name);
  checkText(`${where}.connectionString`, connectionString);
  if (!Array.isArray(tables) || !tables.every((table) => typeof table === 'string' && table !== '')) {
    throw new InvalidOption(`${where}.tables`, `is ${shown(tables)}`, "Give a list of tables: ['orders'].");
  }
  if (typeof branchCount !== 'number' || !Number.isInteger(branchCount) || branchCount < 1) {
    throw new InvalidOption(
      `${where}.branchCount`,
      `is ${shown(branchCount)}`,
      'Give how many transactions run at a time.',
    );
  }
  return { name, tables, branchCount, open: () => OPENERS[kind]({ name, connectionString }) };
}

const EXAMPLE =
  '{ "databases": [{ "kind": "postgres", "name": "orders", "connectionString": "postgres://app@db1/orders" }] }';

interface Opening {
  readonly name: string;
  readonly connectionString: string;
}

/** The driver of a database is loaded when it is used, so that the others need not be installed. */
const OPENERS: Readonly<Record<ResourceKind, (opening: Opening) => Promise<ResourceManager>>> = {
  postgres: async (opening) =>
    (await import('../resources/postgres/postgres-resource.ts')).postgresResource(opening).resourceManager,
  mysql: async (opening) =>
    (await import('../resources/mysql/mysql-resource.ts')).mysqlResource(opening).resourceManager,
};

function isKind(kind: unknown): kind is ResourceKind {
  return typeof kind === 'string' && Object.hasOwn(OPENERS, kind);
}

async function readFile(file: string): Promise<Uint8Array> {
  try {
    return await readBytes(file);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(
      `'${file}' cannot be read: ${why}.`,
      'Name an endpoint module, or a file that lists databases.',
    );
  }
}

function parse(file: string, text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // What the parser says quotes the text, and that may hold a password.
    throw new UsageError(`'${file}' is not JSON.`, `Write ${EXAMPLE}.`);
  }
  if (!isRecord(value)) throw new UsageError(`'${file}' holds no JSON object.`, `Write ${EXAMPLE}.`);
  return value;
}

function checkNames(where: string, value: Readonly<Record<string, unknown>>, known: readonly string[]): void {
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown !== undefined) throw InvalidOption.unknown(`${where}.${unknown}`, known);
}

function checkText(option: string, value: unknown): asserts value is string {
  if (typeof value === 'string' && value !== '') return;
  throw new InvalidOption(option, value === undefined ? 'is missing' : `is ${shown(value)}`, 'Give it as text.');
}

function shown(value: unknown): string {
  return String(JSON.stringify(value)).slice(0, 80);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
