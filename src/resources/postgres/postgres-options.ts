import type { ClientConfig } from 'pg';
import type { Names } from '../../io/network.ts';
import { InvalidOption } from '../../message/errors.ts';
import type { ResourceTarget } from '../../transactions/resource-manager.ts';
import type { StatementErrors } from '../shared/branch-guard.ts';
import { type CommonSettings, checkCommonOptions } from '../shared/common-options.ts';

/**
 * How to reach a PostgreSQL database, by `connectionString` or by its parts; what is missing comes from the environment
 * (PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD), as the driver has it.
 *
 * The types are those of the driver: with TypeScript, install `@types/pg` beside `pg`.
 */
export interface PostgresOptions<Name extends string = string> {
  /** Names the database in records and views: it must stay the same over restarts. */
  readonly name: Name;
  /** Given and undefined, as of an environment variable that is not set, it is refused. */
  readonly connectionString?: string | undefined;
  /** A name, resolved for each connection anew, an address, or the directory of a Unix socket. */
  readonly host?: string;
  readonly port?: number;
  readonly database?: string;
  readonly user?: string;
  /** Never shown anywhere; a function is asked for each connection. */
  readonly password?: string | (() => string | Promise<string>);
  /** As the driver takes it: true, or options of `node:tls`. */
  readonly ssl?: Exclude<ClientConfig['ssl'], undefined>;
  /** Default: as many connections as the endpoints that use it have branches at a time. */
  readonly poolSize?: number;
  /** Default 60,000. The server ends a statement that takes longer. */
  readonly statementTimeoutMs?: number;
  /** `rollback` (default): a statement that fails rolls the message's transaction back, whatever the handler makes of it. */
  readonly statementErrors?: StatementErrors;
  /** `create` (default): Posthorn's two tables are made at the first start. `expect`: they are there. */
  readonly tables?: 'create' | 'expect';
}

export interface PostgresSettings extends CommonSettings {
  readonly target: ResourceTarget;
  /** What the driver is told of the place; holds the password, so it is never shown nor kept elsewhere. */
  readonly place: PostgresPlace;
  readonly usesTls: boolean;
  /** Default: files and name servers of this machine. */
  readonly names?: Names;
}

export type PostgresPlace = Pick<
  PostgresOptions,
  'connectionString' | 'host' | 'port' | 'database' | 'user' | 'password' | 'ssl'
>;

/** @throws INVALID_OPTION; no value that may hold a password is shown */
export function resolvePostgresOptions(options: PostgresOptions): PostgresSettings {
  const common = checkCommonOptions(options);
  const place = placeOf(options);
  return {
    ...common,
    target: place.target,
    place: place.forDriver,
    usesTls: place.usesTls,
  };
}

const PLACE_OPTIONS = ['host', 'port', 'database', 'user', 'password'] as const;

interface Place {
  readonly target: ResourceTarget;
  readonly forDriver: PostgresPlace;
  readonly usesTls: boolean;
}

function placeOf(options: PostgresOptions): Place {
  if (options.connectionString === undefined) {
    const { host, port, database, user, password, ssl } = options;
    const target = targetOf({ host, port, database, user });
    return {
      target,
      forDriver: { ...target, ...(password === undefined ? {} : { password }), ...(ssl === undefined ? {} : { ssl }) },
      usesTls: ssl !== undefined && ssl !== false,
    };
  }
  const doubled = PLACE_OPTIONS.find((name) => options[name] !== undefined);
  if (doubled !== undefined)
    throw new InvalidOption(doubled, "is given beside 'connectionString'", 'Leave one of them out.');
  const { connectionString, ssl } = options;
  const parsed = parseConnectionString(connectionString);
  return {
    target: targetOf(parsed),
    // What the text says goes before what stands beside it, in the driver; so `ssl` only counts where the text is silent.
    forDriver: { connectionString, ...(ssl === undefined ? {} : { ssl }) },
    usesTls: parsed.usesTls ?? (ssl !== undefined && ssl !== false),
  };
}

interface Parsed {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly database?: string | undefined;
  readonly user?: string | undefined;
}

function targetOf({ host, port, database, user }: Parsed): ResourceTarget {
  const { PGHOST, PGPORT, PGDATABASE, PGUSER, USER, USERNAME } = process.env;
  const resolvedUser = user ?? PGUSER ?? USER ?? USERNAME ?? 'postgres';
  return {
    host: host ?? PGHOST ?? 'localhost',
    port: port ?? (Number(PGPORT) || DEFAULT_PORT),
    database: database ?? PGDATABASE ?? resolvedUser,
    user: resolvedUser,
  };
}

const DEFAULT_PORT = 5432;

/** Reads what is shown of a connection string; the driver reads it for itself, in the same way. */
function parseConnectionString(text: string): Parsed & { readonly usesTls: boolean | undefined } {
  const url = URL.parse(text) ?? URL.parse(text.replace('@/', '@localhost/'));
  if (url === null || !/^(?:postgres|postgresql|socket):$/.test(url.protocol))
    throw new InvalidOption(
      'connectionString',
      'cannot be read',
      "Write 'postgres://USER:PASSWORD@HOST:PORT/DATABASE', with what is special in the password percent-encoded.",
    );
  const parameter = (name: string): string | undefined => url.searchParams.get(name) || undefined;
  const isSocket = url.protocol === 'socket:';
  const path = decoded(url.pathname);
  const sslmode = parameter('sslmode');
  const ssl = parameter('ssl');
  return {
    host: isSocket ? path : (parameter('host') ?? (decoded(url.hostname).replace(/^\[(.*)\]$/, '$1') || undefined)),
    port: Number(parameter('port') ?? url.port) || undefined,
    database: (isSocket ? parameter('db') : path.slice(1)) || undefined,
    user: parameter('user') ?? (decoded(url.username) || undefined),
    usesTls: sslmode === undefined ? (ssl === undefined ? undefined : ssl !== '0') : sslmode !== 'disable',
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A lone percent sign stands for itself.
    return text;
  }
}
