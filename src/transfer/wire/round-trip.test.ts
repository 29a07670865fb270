import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeFrame } from './encode-frame.ts';
import { FrameReader } from './frame-reader.ts';
import { FRAME_TYPES, type FrameType } from './frame-types.ts';
import type { Data, DataMessage, Frame, Identity, RefusedMessage } from './frames.ts';

test('every frame comes out as it went in, however its bytes are cut', () => {
  const seen = new Set<FrameType>();
  fc.assert(
    fc.property(
      fc.array(arbitraryFrame(), { minLength: 1, maxLength: 5 }),
      fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 20 }),
      (frames, lengths) => {
        const bytes = Buffer.concat(frames.map(encodeFrame));
        const pieces: Uint8Array[] = [];
        for (let at = 0, turn = 0; at < bytes.byteLength; turn++) {
          const length = lengths[turn % lengths.length] ?? 1;
          pieces.push(Uint8Array.from(bytes.subarray(at, at + length)));
          at += length;
        }
        assert.deepEqual(framesOf(pieces), frames);
        for (const { type } of frames) seen.add(type);
      },
    ),
    { numRuns: 400 },
  );
  assert.deepEqual([...seen].sort(), Object.keys(FRAME_TYPES).sort());
});

function framesOf(pieces: readonly Uint8Array[]): Frame[] {
  const accepts = new Set(Object.keys(FRAME_TYPES) as FrameType[]);
  const reader = new FrameReader({ accepts, controlBytesMax: 65_536, dataBytesMax: 65_536 });
  const frames: Frame[] = [];
  for (const piece of pieces) {
    reader.push(piece);
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) frames.push(frame);
  }
  return frames;
}

/** Every frame of the protocol, with values from the whole range of each field. */
function arbitraryFrame(): fc.Arbitrary<Frame> {
  return fc.oneof(arbitraryControlFrame(), arbitraryData());
}

function arbitraryData(): fc.Arbitrary<Data> {
  return fc
    .record({
      channel: uint32,
      firstSeq: fc.integer({ min: 1, max: 2 ** 48 - 600 }),
      distance: fc.integer({ min: 1, max: 2 ** 48 - 1 }),
      messages: fc.array(arbitraryMessage, { minLength: 1, maxLength: 8 }),
    })
    .map(({ channel, firstSeq, distance, messages }) => ({
      type: 'data',
      channel,
      firstSeq,
      acked: Math.max(0, firstSeq - distance),
      messages,
    }));
}

function arbitraryControlFrame(): fc.Arbitrary<Frame> {
  return fc.oneof(
    frame('hello', {
      protocolMin: version,
      protocolMax: version,
      purpose: fc.constantFrom('transfer', 'probe'),
      wanted: machine,
      identity,
    }),
    frame('welcome', { protocol: version, identity }),
    frame('refused', {
      code: fc.constantFrom('WRONG_HOST', 'VERSION', 'DUPLICATE_STORE', 'MALFORMED'),
      text,
      machine: optional(machine),
    }),
    frame('attach', {
      channel: uint32,
      queue,
      epoch: id,
      acked: sequence,
      ackedDigest: digest,
      formerEpochs: fc.array(id, { maxLength: 16 }),
    }),
    frame('attached', {
      channel: uint32,
      last: optional(sequence),
      digest: optional(digest),
      refused: fc.array(refusedMessage, { maxLength: 3 }),
      windowMessages: fc.integer({ min: 1, max: 100_000 }),
      windowBytes: fc.integer({ min: 1, max: 2 ** 31 }),
    }),
    frame('detached', {
      channel: uint32,
      code: fc.constantFrom('QUEUE_FULL', 'BUSY', 'OUT_OF_SEQUENCE'),
      text,
      retryAfterMs: fc.integer({ min: 0, max: 86_400_000 }),
    }),
    frame('acked', { channel: uint32, seq: sequence, refused: fc.array(refusedMessage, { maxLength: 3 }) }),
    frame('ping', { id: uint32 }),
    frame('pong', { id: uint32, wallMs }),
    frame('closing', { code: fc.constantFrom('IDLE', 'REPLACED'), text }),
    frame('pingBack', { id: uint32, port: optional(fc.integer({ min: 1, max: 65_535 })) }),
    frame('pingBackResult', { id: uint32, report: record({ there: record({ steps: fc.array(text) }) }) }),
  ) as fc.Arbitrary<Frame>;
}

function frame(type: Frame['type'], fields: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<unknown> {
  return record({ type: fc.constant(type), ...fields });
}

/** With the prototype that parsed JSON has. */
function record<Value>(fields: { [Name in keyof Value]: fc.Arbitrary<Value[Name]> }): fc.Arbitrary<Value> {
  return fc.record(fields, { noNullPrototype: true }) as fc.Arbitrary<Value>;
}

const optional = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> =>
  fc.option(value, { nil: undefined });
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const sequence = fc.integer({ min: 0, max: 2 ** 48 - 1 });
const version = fc.integer({ min: 1, max: 65_535 });
const wallMs = fc.integer({ min: -8.64e15, max: 8.64e15 });
const id = fc.uuid();
const digest = fc.stringMatching(/^[0-9a-f]{16}$/);
const queue = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,40}$/);
const machine = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9.-]{0,40}$/);
/** As a reader gives it: without control and format characters. */
const text = fc
  .string({ unit: 'grapheme-composite', maxLength: 40 })
  .map((raw) => raw.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, ''));
const identity: fc.Arbitrary<Identity> = record({
  machine,
  storeId: id,
  instanceId: id,
  version: fc.stringMatching(/^\d\.\d\.\d$/),
  wallMs,
  bodyBytesMax: uint32,
});
const refusedMessage: fc.Arbitrary<RefusedMessage> = record({
  seq: sequence,
  code: fc.constantFrom('NACK_BAD_DST_Q', 'NACK_TOO_LARGE'),
  text,
});
const arbitraryMessage: fc.Arbitrary<DataMessage> = record({
  headers: fc.uint8Array({ maxLength: 200 }),
  body: fc.uint8Array({ maxLength: 2000 }),
  priority: fc.integer({ min: 0, max: 7 }),
  timeToBeReceivedMs: optional(fc.double({ min: 0, max: 1e15, noNaN: true })),
  isPossibleDuplicate: fc.boolean(),
});
