import { isIP } from 'node:net';
import { type NameAnswer, NameFailure, type Names } from '../../src/io/network.ts';
import type { SimulatedHost } from './simulated-host.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import type { World } from './world.ts';

/** The names of a world, and what each host believes of them: a change reaches a host after as long as its copies live. */
export class NameTable {
  readonly #world: World;
  readonly #now = new Map<string, readonly string[]>();
  readonly #seen = new Map<string, readonly string[]>();
  readonly #trouble = new Map<string, NameTrouble>();
  readonly #changes = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
  }

  /** `staleMs`: how long a host goes on hearing the former answer. */
  set(name: string, addresses: readonly string[], hosts: readonly SimulatedHost[], staleMs = 0): void {
    this.#now.set(name, addresses);
    for (const host of hosts) {
      const key = `${host.name}/${name}`;
      const change = (this.#changes.get(key) ?? 0) + 1;
      this.#changes.set(key, change);
      if (staleMs === 0 || !this.#seen.has(key)) {
        this.#seen.set(key, addresses);
        continue;
      }
      this.#world.at(staleMs, () => {
        if (this.#changes.get(key) === change) this.#seen.set(key, addresses);
      });
    }
  }

  addressesOf(name: string): readonly string[] {
    return this.#now.get(name) ?? [];
  }

  /** What the host hears instead of an answer; undefined: nothing is wrong. */
  trouble(host: SimulatedHost, name: string, trouble: NameTrouble | undefined): void {
    const key = `${host.name}/${name}`;
    if (trouble === undefined) this.#trouble.delete(key);
    else this.#trouble.set(key, trouble);
  }

  healAll(): void {
    this.#trouble.clear();
  }

  /** As the host hears it at this moment. */
  answer(host: SimulatedHost, name: string): readonly string[] | NameTrouble {
    const key = `${host.name}/${name}`;
    const addresses = this.#seen.get(key) ?? [];
    return this.#trouble.get(key) ?? (addresses.length === 0 ? 'NOT_FOUND' : addresses);
  }
}

export type NameTrouble = 'NOT_FOUND' | 'SERVER_FAILED' | 'SILENT';

/** The name door of one process. */
export class SimulatedNames implements Names {
  readonly #world: World;
  readonly #table: NameTable;
  readonly #host: SimulatedHost;
  readonly #process: SimulatedProcess;

  constructor(world: World, table: NameTable, host: SimulatedHost, process: SimulatedProcess) {
    this.#world = world;
    this.#table = table;
    this.#host = host;
    this.#process = process;
  }

  resolve(name: string, timeoutMs: number): Promise<NameAnswer> {
    return new Promise((resolve, reject) => {
      if (isIP(name) !== 0) return resolve({ addresses: [name], source: 'it is an address' });
      const after = (delayMs: number, action: () => void): void => {
        this.#world.at(delayMs, () => this.#process.run(action));
      };
      const answer = this.#table.answer(this.#host, name.toLowerCase());
      if (answer === 'SILENT') {
        after(timeoutMs, () => reject(new NameFailure('TIMEOUT', `nobody answered for '${name}' in ${timeoutMs} ms`)));
        return;
      }
      after(0.5 + 4 * this.#world.random.fraction(), () => {
        if (answer === 'NOT_FOUND') reject(new NameFailure('NOT_FOUND', `nobody knows the name '${name}'`));
        else if (answer === 'SERVER_FAILED')
          reject(new NameFailure('SERVER_FAILED', `the server failed for '${name}'`));
        else resolve({ addresses: answer, source: 'simulated DNS' });
      });
    });
  }
}
