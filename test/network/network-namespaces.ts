import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type CommandResult, startProgram } from '../support/command-line.ts';

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
  /** The test is over; whoever looks at machines stops. */
  isOver = false;

  private constructor(prefix: string, hosts: readonly string[], nameServer: NameServer) {
    this.#prefix = prefix;
    this.#hosts = hosts;
    this.#nameServer = nameServer;
  }

  /** Makes the hosts, without addresses, and the name server, without names. */
  static async create(t: TestContext, hosts: readonly string[]): Promise<TestNetwork> {
    if (networks === 0) removeLeftNamespaces();
    const prefix = `ph${process.pid}-${++networks}`;
    const hub = `${prefix}-hub`;
    let made: TestNetwork | undefined;
    t.after(() => {
      if (made !== undefined) made.isOver = true;
      removeNamespaces(prefix, hosts);
    });
    ip('netns', 'add', hub);
    ip('-n', hub, 'link', 'add', 'bridge0', 'type', 'bridge');
    ip('-n', hub, 'addr', 'add', `${NAME_SERVER}/24`, 'dev', 'bridge0');
    for (const device of ['lo', 'bridge0']) ip('-n', hub, 'link', 'set', device, 'up');
    for (const host of hosts) addHost(prefix, host);
    const nameServer = await NameServer.start(hub);
    t.after(() => nameServer.stop());
    const network = new TestNetwork(prefix, hosts, nameServer);
    made = network;
    t.after(() => Promise.all([...network.#children].map(kill)));
    return network;
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

  /** What the name server answers from now on; an empty list: there is no such name. */
  async setName(name: string, said: readonly string[] | 'silence' | 'failure'): Promise<void> {
    await this.#nameServer.set(name, typeof said === 'string' ? [`!${said}`] : said);
  }

  /** Resolves when the name server is asked for the name from that address the next time. */
  async untilAsked(name: string, by: string): Promise<void> {
    await this.#nameServer.untilAsked(`${name} ${by}`);
  }

  /** Pulls the cable of a host: nobody is told, and nothing comes or goes. Returned: what plugs it in again. */
  unplug(host: string): () => void {
    ip('-n', `${this.#prefix}-hub`, 'link', 'set', host, 'down');
    return () => ip('-n', `${this.#prefix}-hub`, 'link', 'set', host, 'up');
  }

  /** A firewall in front of a host that drops what comes to it, telling nobody. Returned: what takes it away again. */
  dropIncoming(host: string, { from, to, port, fromPort }: DroppedPackets = {}): () => void {
    const rule = ['pref', String(FIREWALL_RULES), 'iif', 'eth0'];
    if (from !== undefined) rule.push('from', from);
    if (to !== undefined) rule.push('to', to);
    rule.push('ipproto', 'tcp');
    if (fromPort !== undefined) rule.push('sport', String(fromPort));
    if (port !== undefined) rule.push('dport', String(port));
    ip('-n', this.#namespace(host), 'rule', 'add', ...rule, 'blackhole');
    return () => ip('-n', this.#namespace(host), 'rule', 'del', ...rule, 'blackhole');
  }

  /** Starts a script of this folder on a host; what it prints goes line by line to `onLine`. */
  start(host: string, script: string, given: readonly string[], onLine: (line: string) => void): HostProcess {
    const child = spawn('ip', this.#nodeOn(host, join(import.meta.dirname, script), given), { stdio: 'pipe' });
    this.#children.add(child);
    readLines(child, onLine);
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    return {
      say: (line) => void child.stdin.write(`${line}\n`),
      kill: () => kill(child),
      ended: once(child, 'exit').then(([exitCode]) => exitCode as number | null),
      get errors() {
        return errors;
      },
    };
  }

  /** The real CLI on a host; with `columns` on a terminal of that width. */
  async posthorn(host: string, given: readonly string[], columns?: number): Promise<CommandResult> {
    const command = this.#nodeOn(host, 'bin/posthorn.js', given);
    const inTerminal = `stty rows 50 cols ${columns}; exec ip ${command.map((part) => `'${part}'`).join(' ')}`;
    const running =
      columns === undefined ? startProgram('ip', command) : startProgram('script', ['-qec', inTerminal, '/dev/null']);
    this.#children.add(running.process);
    running.process.stdin?.end();
    return await running.ended;
  }

  #nodeOn(host: string, script: string, given: readonly string[]): string[] {
    const node = [process.execPath, '--conditions=posthorn-source', script];
    return ['netns', 'exec', this.#namespace(host), ...node, ...given];
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
  /** What it wrote to standard error so far. */
  readonly errors: string;
}

/** Of TCP; whatever is left out may be anything. */
export interface DroppedPackets {
  readonly from?: string;
  readonly fromPort?: number;
  readonly to?: string;
  readonly port?: number;
}

/** Why no network namespaces can be made here; undefined when they can. For `requireCapability(t, 'netns', …)`. */
export function whyNoNamespaces(): string | undefined {
  if (process.platform !== 'linux') return `this is ${process.platform}, not Linux`;
  const name = `ph${process.pid}-probe`;
  const added = tryIp('netns', 'add', name);
  if (added !== undefined) return added;
  const failed =
    tryIp('-n', name, 'link', 'add', 'bridge0', 'type', 'bridge') ??
    tryIp('-n', name, 'rule', 'add', 'iif', 'lo', 'ipproto', 'tcp', 'dport', '1', 'blackhole');
  tryIp('netns', 'del', name);
  return failed;
}

const NAME_SERVER = '10.77.0.1';
const ASKED = 'asked ';
/** Looked at in this order for every packet. */
const FIREWALL_RULES = 100;
const LOCAL_RULE = 200;
let networks = 0;

function addHost(prefix: string, host: string): void {
  const namespace = `${prefix}-${host}`;
  ip('netns', 'add', namespace);
  ip('-n', `${prefix}-hub`, 'link', 'add', host, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
  ip('-n', `${prefix}-hub`, 'link', 'set', host, 'master', 'bridge0', 'up');
  for (const device of ['lo', 'eth0']) ip('-n', namespace, 'link', 'set', device, 'up');
  // Firewall rules come before the one that takes a packet in, and count for connections that stand too.
  ip('-n', namespace, 'rule', 'add', 'pref', String(LOCAL_RULE), 'lookup', 'local');
  ip('-n', namespace, 'rule', 'del', 'pref', '0');
  setKernel(namespace, 'ip_early_demux', 0);
  // Otherwise an interface whose first address is taken away loses all others of that network too.
  setKernel(namespace, 'conf/all/promote_secondaries', 1);
  // `ip netns exec` shows this file as /etc/resolv.conf to what it starts.
  mkdirSync(`/etc/netns/${namespace}`, { recursive: true });
  writeFileSync(`/etc/netns/${namespace}/resolv.conf`, `nameserver ${NAME_SERVER}\n`);
}

function setKernel(namespace: string, name: string, value: number): void {
  ip('netns', 'exec', namespace, 'sh', '-c', `echo ${value} > /proc/sys/net/ipv4/${name}`);
}

function removeNamespaces(prefix: string, hosts: readonly string[]): void {
  for (const host of ['hub', ...hosts]) removeNamespace(`${prefix}-${host}`);
}

/** With all that runs in it. */
function removeNamespace(namespace: string): void {
  for (const pid of pidsIn(namespace)) tryKill(pid);
  tryIp('netns', 'del', namespace);
  rmSync(`/etc/netns/${namespace}`, { recursive: true, force: true });
}

/** Of test processes that were killed before they could do it. */
function removeLeftNamespaces(): void {
  const { stdout } = spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' });
  for (const [namespace, pid = ''] of (stdout ?? '').matchAll(/^ph(\d+)-[\w-]+/gm)) {
    if (!existsSync(`/proc/${pid}`)) removeNamespace(namespace);
  }
}

function tryKill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // It ended meanwhile by itself.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
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
  readonly #asked = new Map<string, () => void>();

  private constructor(child: ChildProcess) {
    this.#child = child;
    readLines(child, (line) => {
      if (line.startsWith(ASKED)) this.#asked.get(line.slice(ASKED.length))?.();
      else this.#waiting.shift()?.();
    });
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

  untilAsked(nameAndAsker: string): Promise<void> {
    return new Promise((resolve) => this.#asked.set(nameAndAsker, resolve));
  }

  stop(): Promise<void> {
    return kill(this.#child);
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
