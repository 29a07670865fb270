import { NetworkFailure } from '../../src/io/network.ts';
import type { SimulatedConnection } from './simulated-connection.ts';
import { isLoopback, type SimulatedHost } from './simulated-host.ts';
import type { SimulatedListener } from './simulated-network.ts';
import type { World } from './world.ts';

/**
 * The wires between all hosts of a world. A packet goes from an address to an address; who has the address at that
 * moment gets it. Faults stand on pairs of hosts, one way at a time, so that a partition may be asymmetric.
 */
export class Internet {
  readonly world: World;
  readonly hosts: SimulatedHost[] = [];
  readonly listeners = new Set<SimulatedListener>();
  readonly connections = new Set<SimulatedConnection>();
  readonly #ways = new Map<string, Way>();
  /** Sees every chunk at the moment at which a process hands it to its system. */
  watcher: NetworkWatcher = { written: () => undefined };
  /** How connections behave that are made from now on. */
  manners: Manners = { cutRate: 0.1, unreachableRate: 0 };

  constructor(world: World) {
    this.world = world;
  }

  addHost(host: SimulatedHost): void {
    this.hosts.push(host);
  }

  /** The line from one host to another; change it and it applies to packets from now on. */
  way(from: SimulatedHost, to: SimulatedHost): Way {
    const key = `${from.name}>${to.name}`;
    let way = this.#ways.get(key);
    if (way === undefined) {
      way = { isBlocked: false, latencyMs: 0.3, jitterMs: 0.2, bytesPerMs: 100_000 };
      this.#ways.set(key, way);
    }
    return way;
  }

  healAll(): void {
    for (const way of this.#ways.values()) way.isBlocked = false;
  }

  hostOf(address: string, seenFrom: SimulatedHost): SimulatedHost | undefined {
    if (isLoopback(address)) return seenFrom;
    return this.hosts.find((host) => host.addresses.has(address));
  }

  /** What becomes of a packet now. */
  send(from: SimulatedHost, fromAddress: string, toAddress: string): PacketFate {
    // An address that was taken away under a connection: the system drops the packet and tells nobody (F9).
    if (!from.isOn || !from.hasAddress(fromAddress)) return { kind: 'lost' };
    const to = this.hostOf(toAddress, from);
    if (to === undefined || !to.isOn) return { kind: 'lost' };
    if (to !== from && this.way(from, to).isBlocked) return { kind: 'lost' };
    return { kind: 'arrives', at: to };
  }

  delayMs(from: SimulatedHost, to: SimulatedHost, byteCount: number): number {
    if (from === to) return 0.02;
    const way = this.way(from, to);
    return way.latencyMs + way.jitterMs * this.world.random.fraction() + byteCount / way.bytesPerMs;
  }

  listenerAt(host: SimulatedHost, address: string, port: number): SimulatedListener | undefined {
    for (const listener of this.listeners) {
      if (listener.host !== host || listener.port !== port || listener.isClosed) continue;
      const { address: bound } = listener;
      const isFamily = bound === '::' || (bound === '0.0.0.0' && !address.includes(':'));
      if (isFamily || bound === address) return listener;
    }
    return undefined;
  }

  /** The process is gone and its host lives on: its system ends the connections; or the host is gone too, and nothing is said. */
  processEnded(host: SimulatedHost, isOwnedByDead: (connection: SimulatedConnection) => boolean): void {
    for (const listener of [...this.listeners])
      if (listener.host === host && !listener.process.isAlive) listener.vanish();
    for (const connection of [...this.connections]) {
      if (connection.host === host && isOwnedByDead(connection)) connection.ownerDied();
    }
  }
}

export interface Way {
  isBlocked: boolean;
  latencyMs: number;
  jitterMs: number;
  bytesPerMs: number;
}

export type PacketFate = { readonly kind: 'lost' } | { readonly kind: 'arrives'; readonly at: SimulatedHost };

export interface Manners {
  /** Share of the connections whose bytes come in small pieces. */
  cutRate: number;
  /** Share of the connection attempts to an address of nobody that a router answers. */
  unreachableRate: number;
}

export interface NetworkWatcher {
  written(from: SimulatedConnection, bytes: Uint8Array): void;
}

export function reset(text: string): NetworkFailure {
  return new NetworkFailure('RESET', text, 'ECONNRESET');
}
