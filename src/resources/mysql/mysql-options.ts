import type { SslOptions } from 'mysql2';
import { ipAddress } from '../../io/ip-address.ts';
import { InvalidOption } from '../../message/errors.ts';
import type { ResourceTarget } from '../../transactions/resource-manager.ts';
import type { StatementErrors } from '../shared/branch-guard.ts';
import { type CommonSettings, checkCommonOptions } from '../shared/common-options.ts';
import { type MysqlTables, tablesOf } from './mysql-tables.ts';

/** What `mysqlResource` takes. */
export interface MysqlResourceOptions<Name extends string = string> {
  /** Stays the same over restarts: records of transactions name the resource by it. */
  readonly name: Name;
  /** `mysql://user:password@host:3306/database`, or `mariadb://…`; parameters: `ssl=true`, `socketPath=/run/…`. */
  readonly connectionString?: string;
  /** Default: localhost. */
  readonly host?: string;
  /** Default: 3306. */
  readonly port?: number;
  readonly database?: string;
  readonly user?: string;
  /** Never shown anywhere; a function is asked for each connection. */
  readonly password?: Password;
  /** True: the server's certificate is checked against the authorities of this machine, and its name against `host`. */
  readonly ssl?: boolean | SslOptions;
  /** Default: as many connections as the endpoints that use the resource handle messages at a time. */
  readonly poolSize?: number;
  /** Past it a statement fails with REQUEST_TIMED_OUT and its connection is cut. Default: 60,000. */
  readonly statementTimeoutMs?: number;
  /** Default `rollback`: a statement that fails dooms the transaction. `handled`: your code deals with it. */
  readonly statementErrors?: StatementErrors;
  /** Default `create`: Posthorn makes its two tables where they are missing. `expect`: they are there. */
  readonly tables?: 'create' | 'expect';
}

export type Password = string | (() => string | Promise<string>);

export interface MysqlSettings extends CommonSettings {
  readonly login: MysqlLogin;
  readonly target: ResourceTarget;
  /** `user@host:port/database`, for messages; never a password. */
  readonly where: string;
  readonly tableNames: MysqlTables;
}

export interface MysqlLogin {
  readonly host: string;
  readonly port: number;
  readonly socketPath: string | undefined;
  readonly database: string;
  readonly user: string;
  readonly password: Password | undefined;
  readonly ssl: SslOptions | undefined;
}

/** @throws INVALID_OPTION with the option's name; values that may be secret are not shown */
export function checkMysqlOptions(options: MysqlResourceOptions): MysqlSettings {
  const common = checkCommonOptions(options);
  const login = readLogin(options);
  const { host, port, database, user } = login;
  return {
    ...common,
    login,
    target: { host, port, database, user },
    where: `${user}@${login.socketPath ?? `${host}:${port}`}/${database}`,
    tableNames: tablesOf(database),
  };
}

const PLACE_OPTIONS = ['host', 'port', 'database', 'user', 'password'] as const;
const URL_PARAMETERS = ['ssl', 'socketPath'];

function readLogin(options: MysqlResourceOptions): MysqlLogin {
  const place = options.connectionString === undefined ? options : readConnectionString(options);
  const host = place.host ?? 'localhost';
  if (place.database === undefined || place.database === '') {
    throw new InvalidOption(
      'database',
      'is missing',
      'Name the database that holds your tables, as the default of its connections.',
    );
  }
  if (place.user === undefined || place.user === '') {
    throw new InvalidOption(
      'user',
      'is missing',
      "Name the login of the server, as 'user' or in the connectionString.",
    );
  }
  return {
    host,
    port: place.port ?? 3306,
    socketPath: 'socketPath' in place && typeof place.socketPath === 'string' ? place.socketPath : undefined,
    database: place.database,
    user: place.user,
    password: place.password,
    ssl: readSsl(options.ssl ?? place.ssl, host),
  };
}

function readConnectionString(options: MysqlResourceOptions): Partial<MysqlLoginText> {
  for (const name of PLACE_OPTIONS) {
    if (options[name] === undefined) continue;
    throw new InvalidOption(name, 'is given beside connectionString', 'Give one or the other.');
  }
  const url = parseUrl(options.connectionString);
  const database = decodeURIComponent(url.pathname.slice(1));
  const ssl = url.searchParams.get('ssl');
  if (ssl !== null && ssl !== 'true' && ssl !== 'false')
    throw connectionStringOption("has an 'ssl' that is neither true nor false");
  const socketPath = url.searchParams.get('socketPath');
  return {
    host: url.hostname.replace(/^\[|\]$/g, '') || 'localhost',
    database,
    user: decodeURIComponent(url.username),
    ...(url.port !== '' && { port: Number(url.port) }),
    ...(url.password !== '' && { password: decodeURIComponent(url.password) }),
    ...(ssl !== null && { ssl: ssl === 'true' }),
    ...(socketPath !== null && { socketPath }),
  };
}

interface MysqlLoginText {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  readonly ssl: boolean;
  readonly socketPath: string;
}

function parseUrl(text: unknown): URL {
  const url = typeof text === 'string' && isDecodable(text) ? URL.parse(text) : null;
  if (url === null || !['mysql:', 'mariadb:'].includes(url.protocol))
    throw connectionStringOption('is not a URL of a database');
  for (const name of url.searchParams.keys()) {
    if (!URL_PARAMETERS.includes(name)) throw InvalidOption.unknown(`connectionString?${name}`, URL_PARAMETERS);
  }
  return url;
}

function isDecodable(text: string): boolean {
  return !/%(?![0-9a-f]{2})/i.test(text);
}

function connectionStringOption(why: string): InvalidOption {
  return new InvalidOption('connectionString', why, 'Write mysql://user:password@host:3306/database.');
}

function readSsl(ssl: boolean | SslOptions | undefined, host: string): SslOptions | undefined {
  if (ssl === undefined || ssl === false) return undefined;
  // Certificates name machines; the driver compares them with names only.
  return { rejectUnauthorized: true, verifyIdentity: ipAddress(host) === undefined, ...(ssl === true ? {} : ssl) };
}
