import { join, resolve } from 'node:path';
import { exists, isSystemError, readBytes } from '../io/files.ts';
import { isLoopback } from '../io/ip-address.ts';
import { parseAddress } from '../message/address.ts';
import { InvalidOption } from '../message/errors.ts';
import { NetworkFileInvalid } from './errors.ts';
import {
  type ListenSettings,
  MISSING_QUEUE_GRACE_MS,
  type NetworkSettings,
  PORT_DEFAULT,
  type TlsFiles,
} from './network-settings.ts';

/**
 * How a queue manager reaches other machines and is reached. Options of `QueueManager.open` win over the same names in
 * the directory's `network.json`, which also serves the verbs that run while no queue manager does.
 */
export interface NetworkOptions {
  /**
   * Takes connections of other machines. Default: nobody can connect. Without TLS it listens on loopback alone.
   * `address` is an IP address of this machine, for those who must not listen on every interface.
   */
  readonly listen?: { readonly port?: number; readonly address?: string } | false;
  /** Where a machine is reached when its name alone does not say it: `{ beta: 'beta.internal:1802' }`. */
  readonly machines?: Readonly<Record<string, string>>;
  /** Port of machines that `machines` does not name. Default 1801. */
  readonly port?: number;
  /** Further names under which this machine takes messages. */
  readonly aliases?: readonly string[];
  /**
   * PEM files; read again when they change. Default: `keys/machine.key`, `machine.crt` and `authority.crt` of the directory
   * when they exist (`posthorn keys` makes them). `false`: no TLS.
   */
  readonly tls?: { readonly key: string; readonly certificate: string; readonly authorities: string } | false;
  /** Talks to other machines without TLS: everybody on the way can read and forge. Default false. */
  readonly allowPlaintext?: boolean;
  /** A file of `address name…` lines that is asked before the hosts file and DNS. */
  readonly namesFile?: string;
}

/** The names of `NetworkOptions`, so that they can be told from other options. */
export const NETWORK_OPTION_NAMES = [
  'listen',
  'machines',
  'port',
  'aliases',
  'tls',
  'allowPlaintext',
  'namesFile',
] as const satisfies readonly (keyof NetworkOptions)[];

export const NETWORK_FILE = 'network.json';

/**
 * The settings of a directory: the options, then its `network.json`, then the defaults.
 *
 * @throws {InvalidOption} naming the option and the mend {NetworkFileInvalid} the file cannot be read as what it should be
 */
export async function readNetworkSettings(directory: string, options: NetworkOptions = {}): Promise<NetworkSettings> {
  const file = await readNetworkFile(directory);
  return settingsOf(directory, { ...file, ...options });
}

async function readNetworkFile(directory: string): Promise<NetworkOptions> {
  const path = join(directory, NETWORK_FILE);
  let text: string;
  try {
    text = Buffer.from(await readBytes(path)).toString('utf8');
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return {};
    throw new NetworkFileInvalid(path, error instanceof Error ? error.message : String(error), { cause: error });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new NetworkFileInvalid(path, (error as Error).message, { cause: error });
  }
  if (!isRecord(value)) throw new NetworkFileInvalid(path, 'it is not a JSON object');
  const unknown = Object.keys(value).find((name) => !NETWORK_OPTION_NAMES.some((known) => known === name));
  if (unknown !== undefined) {
    throw new NetworkFileInvalid(path, `'${unknown}' is not one of ${NETWORK_OPTION_NAMES.join(', ')}`);
  }
  return withPathsFrom(directory, value as NetworkOptions);
}

/** Paths in the file are seen from its directory, wherever the process was started. */
function withPathsFrom(directory: string, file: NetworkOptions): NetworkOptions {
  const { tls, namesFile } = file;
  return {
    ...file,
    ...(isRecord(tls) && { tls: Object.fromEntries(Object.entries(tls).map(seen)) as unknown as typeof tls }),
    ...(typeof namesFile === 'string' && { namesFile: resolve(directory, namesFile) }),
  };

  function seen([name, path]: [string, unknown]): [string, unknown] {
    return [name, typeof path === 'string' ? resolve(directory, path) : path];
  }
}

function settingsOf(directory: string, options: NetworkOptions): NetworkSettings {
  const port = checkPort('port', options.port ?? PORT_DEFAULT, 1);
  const settings = {
    listen: listenOf(options.listen),
    machines: machinesOf(options.machines ?? {}, port),
    port,
    aliases: aliasesOf(options.aliases ?? []),
    tls: tlsOf(directory, options.tls),
    allowPlaintext: checkBoolean('allowPlaintext', options.allowPlaintext ?? false),
    namesFile: options.namesFile === undefined ? undefined : checkText('namesFile', options.namesFile),
    missingQueueGraceMs: MISSING_QUEUE_GRACE_MS,
  };
  refusePlaintextBeyondLoopback(settings);
  return settings;
}

/** Without an address the listener itself stays on loopback; one that is named is a wish that must not be met in silence. */
function refusePlaintextBeyondLoopback({ listen, tls, allowPlaintext }: NetworkSettings): void {
  const address = listen?.address;
  if (address === undefined || tls !== undefined || allowPlaintext || isLoopback(address)) return;
  throw new InvalidOption(
    'listen.address',
    `is '${address}', beyond loopback, and there are no keys for TLS`,
    "Make some with 'posthorn keys', or set allowPlaintext where everybody on the way may read and forge.",
  );
}

function listenOf(listen: NetworkOptions['listen']): ListenSettings | undefined {
  if (listen === undefined || listen === false) return undefined;
  if (!isRecord(listen)) throw new InvalidOption('listen', `is ${JSON.stringify(listen)}`, 'Give { port: 1801 }.');
  const { port, address, ...rest } = listen as { port?: unknown; address?: unknown };
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw InvalidOption.unknown(`listen.${unknown}`, ['port', 'address']);
  return {
    port: checkPort('listen.port', port ?? PORT_DEFAULT, 0),
    address: address === undefined ? undefined : checkText('listen.address', address),
  };
}

function machinesOf(machines: unknown, defaultPort: number): NetworkSettings['machines'] {
  if (!isRecord(machines)) throw new InvalidOption('machines', 'is not an object', "Give { beta: 'host:port' }.");
  const found = new Map<string, { host: string; port: number }>();
  for (const [machine, target] of Object.entries(machines)) {
    found.set(
      machine.toLowerCase(),
      parseTarget(`machines.${machine}`, checkText(`machines.${machine}`, target), defaultPort),
    );
  }
  return found;
}

/** `host`, `host:port`, `[::1]` or `[::1]:port`; a bare IPv6 address too. */
function parseTarget(option: string, text: string, defaultPort: number): { host: string; port: number } {
  if (BARE_IPV6.test(text)) return { host: text, port: defaultPort };
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined) throw new InvalidOption(option, `is '${text}'`, "Give 'host' or 'host:port'.");
  return { host, port: port === undefined ? defaultPort : checkPort(option, Number(port), 1) };
}

const BARE_IPV6 = /^[0-9a-f]*:[0-9a-f:.]*:[^:[\]]*$/i;

function aliasesOf(aliases: unknown): readonly string[] {
  if (!Array.isArray(aliases)) throw new InvalidOption('aliases', 'is not a list', "Give ['other-name'].");
  return aliases.map((alias) => {
    const name = checkText('aliases', alias);
    parseAddress(`queue@${name}`);
    return name.toLowerCase();
  });
}

function tlsOf(directory: string, tls: NetworkOptions['tls']): TlsFiles | undefined {
  if (tls === false) return undefined;
  const keys = join(directory, 'keys');
  const byConvention = { key: join(keys, 'machine.key'), certificate: join(keys, 'machine.crt') };
  if (tls === undefined) {
    return exists(byConvention.key) ? { ...byConvention, authorities: join(keys, 'authority.crt') } : undefined;
  }
  if (!isRecord(tls)) throw new InvalidOption('tls', 'is not an object', 'Give { key, certificate, authorities }.');
  return {
    key: checkText('tls.key', tls.key),
    certificate: checkText('tls.certificate', tls.certificate),
    authorities: checkText('tls.authorities', tls.authorities),
  };
}

function checkPort(option: string, port: unknown, portMin: number): number {
  if (typeof port === 'number' && Number.isInteger(port) && port >= portMin && port <= 65_535) return port;
  throw new InvalidOption(option, `is ${JSON.stringify(port)}`, `Give a port, ${portMin} to 65535.`);
}

function checkText(option: string, text: unknown): string {
  if (typeof text === 'string' && text !== '') return text;
  throw new InvalidOption(option, `is ${JSON.stringify(text)}`, 'Give a text.');
}

function checkBoolean(option: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw new InvalidOption(option, `is ${JSON.stringify(value)}`, 'Give true or false.');
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
