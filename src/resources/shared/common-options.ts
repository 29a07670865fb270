import { InvalidOption } from '../../message/errors.ts';
import type { StatementErrors } from './branch-guard.ts';
import { checkNames, checkOneOf, checkResourceName, checkText, checkWhole } from './check-options.ts';

/** What every resource may be told, whatever its database; the interfaces of users document each where they have it. */
export interface CommonOptions {
  readonly name: string;
  readonly connectionString?: string | undefined;
  readonly host?: string;
  readonly port?: number;
  readonly database?: string;
  readonly user?: string;
  readonly password?: unknown;
  readonly ssl?: unknown;
  readonly poolSize?: number;
  readonly statementTimeoutMs?: number;
  readonly statementErrors?: StatementErrors;
  readonly tables?: 'create' | 'expect';
}

/** Those that say how it works, with every default filled in. */
export interface CommonSettings {
  readonly name: string;
  /** Undefined: as many as its endpoints have branches at a time. */
  readonly poolSize: number | undefined;
  readonly statementTimeoutMs: number;
  readonly statementErrors: StatementErrors;
  readonly tables: 'create' | 'expect';
}

/** @throws INVALID_OPTION with the option's name; no value that may hold a password is shown */
export function checkCommonOptions(options: CommonOptions): CommonSettings {
  checkNames(options, OPTION_NAMES);
  checkResourceName(options.name);
  for (const name of ['host', 'database', 'user', 'connectionString'] as const) checkText(name, options[name]);
  if ('connectionString' in options && options.connectionString === undefined)
    throw new InvalidOption('connectionString', 'is undefined', 'See whether the variable that it comes from is set.');
  checkWhole('port', options.port, { least: 1, most: 65_535 });
  checkWhole('poolSize', options.poolSize, { least: 1, most: 10_000 });
  checkWhole('statementTimeoutMs', options.statementTimeoutMs, { least: 1, most: STATEMENT_TIMEOUT_MS_MAX });
  checkOneOf('statementErrors', options.statementErrors, ['rollback', 'handled']);
  checkOneOf('tables', options.tables, ['create', 'expect']);
  checkPassword(options.password);
  checkSsl(options.ssl);
  return {
    name: options.name,
    poolSize: options.poolSize,
    statementTimeoutMs: options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS,
    statementErrors: options.statementErrors ?? 'rollback',
    tables: options.tables ?? 'create',
  };
}

const OPTION_NAMES: readonly (keyof CommonOptions)[] = [
  'name',
  'connectionString',
  'host',
  'port',
  'database',
  'user',
  'password',
  'ssl',
  'poolSize',
  'statementTimeoutMs',
  'statementErrors',
  'tables',
];
const STATEMENT_TIMEOUT_MS = 60_000;
/** A day. */
const STATEMENT_TIMEOUT_MS_MAX = 86_400_000;

function checkPassword(password: unknown): void {
  if (password === undefined || typeof password === 'string' || typeof password === 'function') return;
  throw new InvalidOption('password', 'is neither a text nor a function', 'Give one of them.');
}

function checkSsl(ssl: unknown): void {
  if (ssl === undefined || typeof ssl === 'boolean' || (typeof ssl === 'object' && ssl !== null)) return;
  throw new InvalidOption('ssl', 'is neither true, false nor an object', 'Give one of them, as the driver takes it.');
}
