import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HostProcess } from './host-process.ts';

/**
 * One of the two machines of the demo: a data directory, what runs on it, and the address on which it listens.
 *
 * The other machine knows it by its name alone; what the name means stands in a file that plays the name server.
 */
export class Machine {
  readonly name: string;
  readonly directory: string;
  /** Path of its endpoint module. */
  readonly endpoints: string;
  readonly #namesFile: string;
  readonly #port: number;
  readonly #environment: Record<string, string>;
  #host: HostProcess | undefined;
  #kills = 0;

  constructor(options: MachineOptions) {
    this.name = options.name;
    this.directory = join(options.root, options.name);
    this.endpoints = fileURLToPath(new URL(options.endpoints, import.meta.url));
    this.#namesFile = join(options.root, 'names');
    this.#port = options.port;
    this.#environment = options.environment;
  }

  get pid(): number {
    return this.#host?.pid ?? 0;
  }

  get kills(): number {
    return this.#kills;
  }

  /** From its next start on it listens here and nowhere else. */
  listenOn(address: string): void {
    mkdirSync(this.directory, { recursive: true });
    const network = { listen: { address, port: this.#port }, port: this.#port, namesFile: this.#namesFile };
    writeFileSync(join(this.directory, 'network.json'), JSON.stringify(network, undefined, 2));
  }

  async start(environment: Record<string, string> = {}): Promise<void> {
    const given = ['host', this.endpoints, '--machine', this.name, '--directory', this.directory, '--json'];
    this.#host = await HostProcess.start(given, { ...this.#environment, ...environment });
  }

  /** SIGKILL: no handler, no finally, no flush runs any more. */
  async kill(): Promise<void> {
    await this.#host?.kill();
    this.#host = undefined;
    this.#kills++;
  }

  /** It kills itself somewhere; resolves when it has. */
  async untilDead(): Promise<void> {
    await this.#host?.ended;
    this.#host = undefined;
    this.#kills++;
  }

  /** SIGTERM: handlers that run may end. */
  async stop(): Promise<void> {
    await this.#host?.stop();
    this.#host = undefined;
  }

  /** Leaves no process behind. */
  async end(): Promise<void> {
    await this.#host?.kill();
    this.#host = undefined;
  }
}

export interface MachineOptions {
  readonly name: string;
  /** Of the whole demo. */
  readonly root: string;
  /** File name of its endpoint module. */
  readonly endpoints: string;
  readonly port: number;
  readonly environment: Record<string, string>;
}
