import { randomFillSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Clock, Io, Random, Timer, Timers } from './io.ts';

/** The real doors, on Node.js. One value for the process: they hold no state of a queue manager. */
export function nodeIo(): Io {
  return NODE_IO;
}

const nodeClock: Clock = {
  wallNowMs: () => Date.now(),
  monotonicNowMs: () => SINCE_BOOT_MS + performance.now(),
  bootId: readBootId(),
};

/** Both count by the same clock of the system, one since the machine's boot, the other since the process began. */
const SINCE_BOOT_MS = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** Linux names each boot; elsewhere there is no such name and callers fall back to wall time. */
function readBootId(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return undefined;
  }
}

const TIMER_DELAY_MS_MAX = 2 ** 31 - 1;

const nodeTimers: Timers = {
  after(delayMs, action, options) {
    let handle: NodeJS.Timeout;
    const arm = (remainingMs: number): void => {
      // Node fires at once when a delay is longer than a 32-bit count, so long ones go in stages.
      const stageMs = Math.min(remainingMs, TIMER_DELAY_MS_MAX);
      handle = setTimeout(() => (remainingMs > stageMs ? arm(remainingMs - stageMs) : action()), stageMs);
      if (options?.keepsProcessAlive !== true) handle.unref();
    };
    arm(Math.max(0, Math.ceil(delayMs)));
    return { cancel: () => clearTimeout(handle) } satisfies Timer;
  },
  soon(action) {
    setImmediate(action);
  },
};

/** Random bytes are fetched in blocks: one call into the system's generator per id would cost more than the id. */
const RANDOM_BLOCK_BYTES = 4096;
const randomBlock = Buffer.allocUnsafe(RANDOM_BLOCK_BYTES);
let randomOffset = RANDOM_BLOCK_BYTES;

function takeRandom(byteCount: number): number {
  if (randomOffset + byteCount > RANDOM_BLOCK_BYTES) {
    randomFillSync(randomBlock);
    randomOffset = 0;
  }
  const offset = randomOffset;
  randomOffset += byteCount;
  return offset;
}

const nodeRandom: Random = {
  uuid() {
    const offset = takeRandom(16);
    randomBlock[offset + 6] = ((randomBlock[offset + 6] ?? 0) & 0x0f) | 0x40;
    randomBlock[offset + 8] = ((randomBlock[offset + 8] ?? 0) & 0x3f) | 0x80;
    const hex = randomBlock.toString('hex', offset, offset + 16);
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  },
  fraction() {
    return randomBlock.readUInt32LE(takeRandom(4)) / 2 ** 32;
  },
};

const NODE_IO: Io = { clock: nodeClock, timers: nodeTimers, random: nodeRandom };
