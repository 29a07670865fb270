import { closeSync, fdatasync, openSync, writeSync } from 'node:fs';
import type { Durations } from './statistics.ts';

/**
 * The raw cycle of DESIGN section 7, beside which the bus is measured: one growing file, per cycle one append of
 * 1 KiB + 64 B, group commit (one write for all that wait, an asynchronous `fdatasync`, then all are resolved). No
 * checksums, no index, nothing to read back: the least that a durable cycle can cost here.
 */
export class RawReference {
  readonly #descriptor: number;
  #pending: Waiting[] = [];
  #isSyncing = false;
  #group = Buffer.alloc(256 * CYCLE_BYTES);
  readonly #record = Buffer.alloc(CYCLE_BYTES, 0x5a);

  constructor(path: string) {
    this.#descriptor = openSync(path, 'ax');
  }

  /** Cycles per second with `concurrency` of them at a time, over `durationMs`. */
  async measure(concurrency: number, durationMs: number, latencies?: Durations): Promise<number> {
    const startedMs = performance.now();
    const endMs = startedMs + durationMs;
    let cycleCount = 0;
    const cycleOn = async (): Promise<void> => {
      for (let nowMs = performance.now(); nowMs < endMs; ) {
        await this.append();
        cycleCount++;
        const doneMs = performance.now();
        latencies?.add(doneMs - nowMs);
        nowMs = doneMs;
      }
    };
    await Promise.all(Array.from({ length: concurrency }, cycleOn));
    return cycleCount / ((performance.now() - startedMs) / 1000);
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  /** One append; resolves after its sync. */
  append(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ record: this.#record, resolve, reject });
      if (this.#isSyncing) return;
      this.#isSyncing = true;
      // After all promise reactions, so that those resolved together are written together.
      setImmediate(() => this.#writeGroup());
    });
  }

  #writeGroup(): void {
    const group = this.#pending;
    this.#pending = [];
    if (group.length * CYCLE_BYTES > this.#group.byteLength) this.#group = Buffer.alloc(group.length * CYCLE_BYTES);
    for (const [index, { record }] of group.entries()) this.#group.set(record, index * CYCLE_BYTES);
    writeSync(this.#descriptor, this.#group, 0, group.length * CYCLE_BYTES);
    fdatasync(this.#descriptor, (error) => {
      for (const { resolve, reject } of group) error === null ? resolve() : reject(error);
      this.#isSyncing = false;
      if (this.#pending.length === 0) return;
      this.#isSyncing = true;
      setImmediate(() => this.#writeGroup());
    });
  }
}

interface Waiting {
  readonly record: Uint8Array;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

const CYCLE_BYTES = 1024 + 64;
