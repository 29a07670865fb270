import { FRAME_TYPES } from '../../src/transfer/wire/frame-types.ts';
import type { Coverage } from './coverage.ts';
import type { SimulatedConnection } from './simulated-connection.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import type { World } from './world.ts';

/** Reads along on every connection: which frames go by, for the trace and for coverage, and whether DATA comes too early. */
export class WireTap {
  readonly #world: World;
  readonly #coverage: Coverage;
  readonly #rest = new WeakMap<SimulatedConnection, Uint8Array>();
  readonly #welcomed = new WeakSet<SimulatedConnection>();

  readonly #waiting: {
    readonly what: string;
    readonly seen: (from: SimulatedProcess, to: SimulatedProcess) => void;
  }[] = [];

  constructor(world: World, coverage: Coverage) {
    this.#world = world;
    this.#coverage = coverage;
  }

  written(from: SimulatedConnection, bytes: Uint8Array): void {
    const before = this.#rest.get(from);
    const all = before === undefined || before.byteLength === 0 ? Buffer.from(bytes) : Buffer.concat([before, bytes]);
    let offset = 0;
    while (all.byteLength - offset >= 5) {
      const length = all.readUInt32BE(offset);
      if (all.byteLength - offset < 4 + length) break;
      this.#frame(from, all[offset + 4] ?? 0, all.subarray(offset + 5, offset + 4 + length));
      offset += 4 + length;
    }
    this.#rest.set(from, all.subarray(offset));
  }

  /** Tells of the next frame of this type: who wrote it, and for whom. */
  once(what: string, seen: (from: SimulatedProcess, to: SimulatedProcess) => void): void {
    this.#waiting.push({ what, seen });
  }

  /** A frame was written; or a program tells of something else that `once` may wait for. */
  happened(what: string, from: SimulatedProcess, to: SimulatedProcess): void {
    const index = this.#waiting.findIndex((one) => one.what === what);
    if (index !== -1) this.#waiting.splice(index, 1)[0]?.seen(from, to);
  }

  #frame(from: SimulatedConnection, code: number, payload: Buffer): void {
    const type = TYPES.get(code) ?? `type ${code}`;
    this.#coverage.count(`frame ${type}`);
    if (from.other !== undefined) this.happened(type, from.process, from.other.process);
    if (type === 'welcome' && from.other !== undefined) this.#welcomed.add(from.other);
    if (type === 'data') {
      if (!this.#welcomed.has(from)) {
        this.#world.fail('I14 before identity', `${from.process.name} sent DATA before it was welcomed`);
      }
      this.#note(from, `data ${payload.readUIntBE(4, 6)} x${payload.readUInt16BE(16)}`);
      return;
    }
    if (type === 'ping' || type === 'pong') return;
    const text = payload.toString();
    if (type === 'attached') this.#coverage.count(text.includes('"last"') ? 'attached known' : 'attached unknown');
    const refusal = /"code":"([A-Z_]+)"/.exec(text)?.[1];
    if (refusal !== undefined && type !== 'acked') this.#coverage.count(`${type} ${refusal}`);
    this.#note(from, `${type} ${text.length > 160 ? `${text.slice(0, 160)}…` : text}`);
  }

  #note(from: SimulatedConnection, text: string): void {
    this.#world.note(`${from.process.name} → ${from.other?.process.name ?? '?'}: ${text}`);
  }
}

const TYPES = new Map(Object.entries(FRAME_TYPES).map(([type, { code }]) => [code, type]));
