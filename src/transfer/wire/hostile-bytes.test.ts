import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimulatedRandom } from '../../testing/simulated-random.ts';
import { encodeFrame } from './encode-frame.ts';
import { FrameReader } from './frame-reader.ts';
import { FRAME_TYPES, type FrameType } from './frame-types.ts';
import type { Frame } from './frames.ts';
import { MalformedBytes } from './malformed-bytes.ts';

const LIMITS = {
  accepts: new Set(Object.keys(FRAME_TYPES) as FrameType[]),
  controlBytesMax: 16 * 1024,
  dataBytesMax: 32 * 1024,
};
const FRAMES = 100_000;
const SEED = 20_261_122;

const identity = {
  machine: 'alpha',
  storeId: 'd2b9e2f4-7d0e-4b53-9a55-0e3f8b6b9a11',
  instanceId: 'c0ffee00-7d0e-4b53-9a55-0e3f8b6b9a11',
  version: '0.1.0',
  wallMs: 1_900_000_000_000,
  bodyBytesMax: 4_194_304,
};
const message = (bytes: number, timeToBeReceivedMs?: number) => ({
  headers: Buffer.from('{"NServiceBus.MessageId":"1"}'),
  body: Buffer.alloc(bytes, 1),
  priority: 3,
  timeToBeReceivedMs,
  isPossibleDuplicate: false,
});
const refused = [{ seq: 4, code: 'NACK_TOO_LARGE' as const, text: 'too large' }];

const SAMPLES: readonly Uint8Array[] = (
  [
    { type: 'hello', protocolMin: 1, protocolMax: 1, purpose: 'transfer', wanted: 'beta', identity },
    { type: 'welcome', protocol: 1, identity },
    { type: 'refused', code: 'WRONG_HOST', text: 'I am beta', machine: 'beta' },
    {
      type: 'attach',
      channel: 1,
      queue: 'billing',
      epoch: 'e1',
      acked: 3,
      ackedDigest: '0123456789abcdef',
      formerEpochs: ['e0'],
    },
    {
      type: 'attached',
      channel: 1,
      last: 4,
      digest: '0123456789abcdef',
      refused,
      windowMessages: 2048,
      windowBytes: 4_194_304,
    },
    { type: 'detached', channel: 1, code: 'QUEUE_FULL', text: 'full', retryAfterMs: 5000 },
    { type: 'data', channel: 1, firstSeq: 5, acked: 4, messages: [message(100), message(0, 60_000), message(500)] },
    { type: 'acked', channel: 1, seq: 7, refused },
    { type: 'ping', id: 1 },
    { type: 'pong', id: 1, wallMs: 1_900_000_000_000 },
    { type: 'closing', code: 'IDLE', text: 'idle' },
    { type: 'pingBack', id: 1, port: 1801 },
    { type: 'pingBackResult', id: 1, report: { there: { steps: [{ step: 'name' }] } } },
  ] satisfies Frame[]
).map(encodeFrame);

/** One way each in which bytes go wrong: by accident, or on purpose. */
const HARM: readonly ((bytes: Buffer, random: SimulatedRandom) => Uint8Array)[] = [
  // Some bytes are others.
  (bytes, random) => {
    for (let left = 1 + random.integer(4); left > 0; left--)
      bytes[random.integer(bytes.byteLength)] = random.integer(256);
    return bytes;
  },
  // The end is missing, and the next frame follows.
  (bytes, random) => Buffer.concat([bytes.subarray(0, random.integer(bytes.byteLength)), sample(random)]),
  // Something was put in between.
  (bytes, random) => {
    const at = random.integer(bytes.byteLength);
    return Buffer.concat([bytes.subarray(0, at), noise(random, 1 + random.integer(64)), bytes.subarray(at)]);
  },
  // The length announces something else.
  (bytes, random) => {
    bytes.writeUInt32BE(random.integer(2) === 0 ? random.integer(2 ** 32) : random.integer(40_000));
    return bytes;
  },
  // Another type.
  (bytes, random) => {
    bytes[4] = random.integer(20);
    return bytes;
  },
  // Lengths and counts within DATA.
  (_, random) => {
    const bytes = Buffer.from(SAMPLES[6] ?? []);
    bytes.writeUInt32BE(random.integer(2 ** 32), 5 + random.integer(40));
    return bytes;
  },
  // JSON that has other values.
  (bytes, random) => {
    const json = bytes
      .toString('latin1', 5)
      .replace(/\d+|"[^"]*"(?=[,}\]])/g, (value) =>
        random.integer(3) === 0 ? (HOSTILE_VALUES[random.integer(HOSTILE_VALUES.length)] ?? value) : value,
      );
    const changed = Buffer.concat([bytes.subarray(0, 5), Buffer.from(json, 'latin1')]);
    changed.writeUInt32BE(changed.byteLength - 4);
    return changed;
  },
  // Nothing of ours at all.
  (_, random) => noise(random, 1 + random.integer(300)),
];

const HOSTILE_VALUES = [
  'null',
  '-1',
  '1e999',
  '9007199254740993',
  '""',
  '"../../etc"',
  '{"__proto__":{"type":"x"}}',
  '[]',
  '['.repeat(200) + ']'.repeat(200),
  '"\\u0000"',
  `"${'x'.repeat(3000)}"`,
  '{"toString":1,"hasOwnProperty":1}',
];

test('hostile bytes: a reader refuses with its own error or waits, holds no more than its limit, and the next one works', () => {
  const random = new SimulatedRandom(SEED);
  const outcomes = { frames: 0, refused: 0, waiting: 0 };
  let heldBytesMax = 0;
  for (let count = 0; count < FRAMES; count++) {
    const harm = HARM[count % HARM.length] ?? HARM[0];
    const bytes = harm?.(Buffer.from(sample(random)), random) ?? sample(random);
    const reader = new FrameReader(LIMITS);
    outcomes[readAll(reader, bytes, random)]++;
    heldBytesMax = Math.max(heldBytesMax, reader.heldBytes);
    if (count % 100 !== 0) continue;
    const fresh = new FrameReader(LIMITS);
    fresh.push(SAMPLES[8] ?? bytes);
    assert.deepEqual(fresh.next(), { type: 'ping', id: 1 }, `after frame ${count} of seed ${SEED}`);
  }
  assert.ok(heldBytesMax <= 2 * LIMITS.dataBytesMax, `${heldBytesMax} bytes were held`);
  for (const [outcome, count] of Object.entries(outcomes)) assert.ok(count > FRAMES / 50, `${outcome}: ${count}`);
});

test('hostile bytes: a frame over the limit that keeps coming is refused at its head, so nothing of it is held', () => {
  const reader = new FrameReader(LIMITS);
  const head = Buffer.from([0, 0, 0x80, 0x06, 7]);
  for (const byte of head.subarray(0, 4)) {
    reader.push(Buffer.from([byte]));
    if (byte !== 0x06) assert.equal(reader.next(), undefined);
  }
  assert.throws(() => reader.next(), MalformedBytes);
  for (let piece = 0; piece < 100; piece++) reader.push(Buffer.alloc(65_536));
  assert.equal(reader.heldBytes, 0);
  assert.throws(() => reader.next(), MalformedBytes);
});

function readAll(reader: FrameReader, bytes: Uint8Array, random: SimulatedRandom): 'frames' | 'refused' | 'waiting' {
  let outcome: 'frames' | 'waiting' = 'waiting';
  try {
    for (let at = 0; at < bytes.byteLength; ) {
      const end = at + 1 + random.integer(bytes.byteLength);
      reader.push(Uint8Array.from(bytes.subarray(at, end)));
      while (reader.next() !== undefined) outcome = 'frames';
      at = end;
    }
    return outcome;
  } catch (error) {
    assert.ok(error instanceof MalformedBytes, `seed ${SEED}: ${error instanceof Error ? error.stack : error}`);
    return 'refused';
  }
}

function sample(random: SimulatedRandom): Uint8Array {
  return SAMPLES[random.integer(SAMPLES.length)] ?? new Uint8Array(1);
}

function noise(random: SimulatedRandom, byteCount: number): Uint8Array {
  return Uint8Array.from({ length: byteCount }, () => random.integer(256));
}
