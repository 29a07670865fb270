import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/**
 * A small network of hosts on this machine: one network namespace each, joined by a bridge, with a name server of their
 * own. Everything is made for one test and gone after it; nothing of the machine's own network is touched.
 *
 *     [alpha]──veth──┐
 *     [beta ]──veth──┤ bridge 10.77.0.1 (name server, in a namespace of its own)
 *     [gamma]──veth──┘
 */
export class TestNetwork {
  readonly #prefix: string;
  readonly #hosts: readonly string[];
  readonly #children = new Set<ChildProcess>();
  readonly #nameServer: NameServer;

  private constructor(prefix: string, hosts: readonly string[], nameServer: NameServer) {
    this.#prefix = prefix;
    this.#hosts = hosts;
    this.#nameServer = nameServer;
  }

  /** Makes the hosts, without addresses, and the name server, without names. */
  static async create(t: TestContext, hosts: readonly string[]): Promise<TestNetwork> {
    const prefix = `ph${process.pid}-${++networks}`;
    const hub = `${prefix}-hub`;
    t.after(() => removeNamespaces(prefix, hosts));
    ip('netns', 'add', hub);
    ip('-n', hub, 'link', 'add', 'bridge0', 'type', 'bridge');
    ip('-n', hub, 'addr', 'add', `${NAME_SERVER}/24`, 'dev', 'bridge0');
    for (const device of ['lo', 'bridge0']) ip('-n', hub, 'link', 'set', device, 'up');
    for (const host of hosts) addHost(prefix, host);
    const nameServer = await NameServer.start(hub);
    t.after(() => nameServer.stop());
    return new TestNetwork(prefix, hosts, nameServer);
  }

  /** Gives a host one more address. */
  addAddress(host: string, address: string): void {
    ip('-n', this.#namespace(host), 'addr', 'add', `${address}/24`, 'dev', 'eth0');
    // Neighbours may know the address under another host's hardware; a real network tells them by itself in time.
    for (const other of this.#hosts) ip('-n', this.#namespace(other), 'neigh', 'flush', 'all');
  }

  /** Takes an address away; connections that use it are told nothing. */
  removeAddress(host: string, address: string): void {
    ip('-n', this.#namespace(host), 'addr', 'del', `${address}/24`, 'dev', 'eth0');
  }

  /** From now on nobody gets an answer from this TCP port of the host, as behind a firewall that drops packets. */
  silencePort(host: string, port: number): void {
    ip('-n', this.#namespace(host), 'rule', 'add', 'pref', '10', 'blackhole', 'ipproto', 'tcp', 'sport', String(port));
  }

  /** What the name server answers from now on; an empty list: there is no such name. */
  async setName(name: string, addresses: readonly string[]): Promise<void> {
    await this.#nameServer.set(name, addresses);
  }

  /** Starts a script of this folder on a host; what it prints goes line by line to `onLine`. */
  start(host: string, script: string, given: readonly string[], onLine: (line: string) => void): HostProcess {
    const command = ['netns', 'exec', this.#namespace(host), process.execPath, '--conditions=posthorn-source'];
    const child = spawn('ip', [...command, join(import.meta.dirname, script), ...given], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#children.add(child);
    readLines(child, onLine);
    return {
      say: (line) => void child.stdin?.write(`${line}\n`),
      kill: async () => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        child.kill('SIGKILL');
        await once(child, 'exit');
      },
      ended: once(child, 'exit').then(([exitCode]) => exitCode as number | null),
    };
  }

  #namespace(host: string): string {
    return `${this.#prefix}-${host}`;
  }
}

export interface HostProcess {
  /** Writes a line to its standard input. */
  say(line: string): void;
  kill(): Promise<void>;
  readonly ended: Promise<number | null>;
}

/** Why no network namespaces can be made here; undefined when they can. For `requireCapability(t, 'netns', …)`. */
export function whyNoNamespaces(): string | undefined {
  if (process.platform !== 'linux') return `this is ${process.platform}, not Linux`;
  const name = `ph${process.pid}-probe`;
  const added = tryIp('netns', 'add', name);
  if (added !== undefined) return added;
  const linked = tryIp('-n', name, 'link', 'add', 'bridge0', 'type', 'bridge');
  tryIp('netns', 'del', name);
  return linked;
}

const NAME_SERVER = '10.77.0.1';
let networks = 0;

function addHost(prefix: string, host: string): void {
  const namespace = `${prefix}-${host}`;
  const end = `v${process.pid % 100_000}${networks}${host.slice(0, 4)}`;
  ip('netns', 'add', namespace);
  ip('-n', `${prefix}-hub`, 'link', 'add', end, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
  ip('-n', `${prefix}-hub`, 'link', 'set', end, 'master', 'bridge0', 'up');
  for (const device of ['lo', 'eth0']) ip('-n', namespace, 'link', 'set', device, 'up');
  // Otherwise an interface whose first address is taken away loses all others of that network too.
  ip('netns', 'exec', namespace, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/conf/all/promote_secondaries');
  // `ip netns exec` shows this file as /etc/resolv.conf to what it starts.
  mkdirSync(`/etc/netns/${namespace}`, { recursive: true });
  writeFileSync(`/etc/netns/${namespace}/resolv.conf`, `nameserver ${NAME_SERVER}\n`);
}

function removeNamespaces(prefix: string, hosts: readonly string[]): void {
  for (const host of ['hub', ...hosts]) {
    const namespace = `${prefix}-${host}`;
    for (const pid of pidsIn(namespace)) process.kill(pid, 'SIGKILL');
    tryIp('netns', 'del', namespace);
    rmSync(`/etc/netns/${namespace}`, { recursive: true, force: true });
  }
}

function pidsIn(namespace: string): number[] {
  const { stdout } = spawnSync('ip', ['netns', 'pids', namespace], { encoding: 'utf8' });
  return (stdout ?? '')
    .split('\n')
    .filter((line) => line !== '')
    .map(Number);
}

function ip(...given: readonly string[]): void {
  const failure = tryIp(...given);
  if (failure !== undefined) throw new Error(`ip ${given.join(' ')}: ${failure}`);
}

/** What went wrong, or undefined. */
function tryIp(...given: readonly string[]): string | undefined {
  const { status, stderr, error } = spawnSync('ip', given, { encoding: 'utf8' });
  if (error !== undefined) return error.message;
  return status === 0 ? undefined : stderr.trim();
}

/** The name server's process: a real one, that real resolvers ask over UDP. */
class NameServer {
  readonly #child: ChildProcess;
  readonly #waiting: (() => void)[] = [];

  private constructor(child: ChildProcess) {
    this.#child = child;
    readLines(child, () => this.#waiting.shift()?.());
  }

  static async start(namespace: string): Promise<NameServer> {
    const script = join(import.meta.dirname, 'name-server-process.ts');
    const child = spawn('ip', ['netns', 'exec', namespace, process.execPath, script, NAME_SERVER], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const server = new NameServer(child);
    await server.#answer();
    return server;
  }

  async set(name: string, addresses: readonly string[]): Promise<void> {
    this.#child.stdin?.write(`${name} ${addresses.join(' ')}\n`);
    await this.#answer();
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }

  #answer(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

function readLines(child: ChildProcess, onLine: (line: string) => void): void {
  let rest = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  });
}

/** A directory for the data of the hosts of one test. */
export function networkDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'posthorn-network-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
