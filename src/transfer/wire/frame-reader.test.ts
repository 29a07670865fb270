import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodeFrame } from './encode-frame.ts';
import { FrameReader } from './frame-reader.ts';
import { FRAME_TYPES, type FrameType, frameTypeOf } from './frame-types.ts';
import type { Data, Frame } from './frames.ts';
import { CONTROL_FRAME_BYTES_MAX, dataFrameBytesMax, TEXT_LENGTH_MAX } from './limits.ts';
import { MalformedBytes } from './malformed-bytes.ts';

const EVERYTHING = {
  accepts: new Set(Object.keys(FRAME_TYPES) as FrameType[]),
  controlBytesMax: CONTROL_FRAME_BYTES_MAX,
  dataBytesMax: dataFrameBytesMax(4 * 1024 * 1024),
};

const bytesOf = (...texts: readonly (string | number[])[]) =>
  Buffer.concat(texts.map((text) => (typeof text === 'string' ? Buffer.from(text) : Buffer.from(text))));

/** A frame as anybody could write it. */
const rawFrame = (code: number, payload: string | Uint8Array) => {
  const body = Buffer.from(payload);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(1 + body.byteLength);
  head[4] = code;
  return Buffer.concat([head, body]);
};

function framesOf(pieces: readonly Uint8Array[], reader = new FrameReader(EVERYTHING)): Frame[] {
  const frames: Frame[] = [];
  for (const piece of pieces) {
    const lent = Uint8Array.from(piece);
    reader.push(lent);
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) frames.push(frame);
    // What was given out shares nothing with it.
    if (!reader.isWithinFrame) lent.fill(0xee);
  }
  return frames;
}

const refusal = (bytes: Uint8Array, limits = EVERYTHING): string => {
  const reader = new FrameReader(limits);
  reader.push(bytes);
  try {
    const frame = reader.next();
    return frame === undefined ? 'it waits for more' : `it is ${frame.type}`;
  } catch (error) {
    assert.ok(error instanceof MalformedBytes, String(error));
    return error.message;
  }
};

const example: Data = {
  type: 'data',
  channel: 7,
  firstSeq: 12,
  acked: 9,
  messages: [
    {
      headers: Buffer.from('{"a":"b"}'),
      body: Buffer.alloc(300, 5),
      priority: 3,
      timeToBeReceivedMs: 1500.5,
      isPossibleDuplicate: true,
    },
    {
      headers: Buffer.from('{}'),
      body: Buffer.alloc(0),
      priority: 7,
      timeToBeReceivedMs: undefined,
      isPossibleDuplicate: false,
    },
  ],
};

const plain = (frame: Frame): Frame =>
  frame.type !== 'data'
    ? frame
    : {
        ...frame,
        messages: frame.messages.map((message) => ({
          ...message,
          headers: Uint8Array.from(message.headers),
          body: Uint8Array.from(message.body),
        })),
      };

describe('frames on the wire', () => {
  test('fault 23: a stream of frames cut at any byte gives the same frames as the whole one', () => {
    const frames: Frame[] = [
      { type: 'ping', id: 1 },
      example,
      { type: 'acked', channel: 7, seq: 13, refused: [{ seq: 13, code: 'NACK_TOO_LARGE', text: 'größer' }] },
      example,
    ];
    const bytes = Buffer.concat(frames.map(encodeFrame));
    for (let cut = 0; cut <= bytes.byteLength; cut++) {
      const cutFrames = framesOf([bytes.subarray(0, cut), bytes.subarray(cut)]);
      assert.deepEqual(cutFrames.map(plain), frames.map(plain), `cut at ${cut}`);
    }
    const byBytes = framesOf(Array.from(bytes, (_, index) => bytes.subarray(index, index + 1)));
    assert.deepEqual(byBytes.map(plain), frames.map(plain), 'one byte at a time');
  });

  test('fault 23: of a stream that ends at any byte, the frames before the end are whole and nothing else comes out', () => {
    const bytes = Buffer.concat([encodeFrame(example), encodeFrame(example)]);
    const oneBytes = bytes.byteLength / 2;
    for (let end = 0; end < bytes.byteLength; end++) {
      assert.equal(framesOf([bytes.subarray(0, end)]).length, Math.floor(end / oneBytes), `ends at ${end}`);
    }
  });

  test('types have one code each, and a code has one type', () => {
    for (const [type, { code }] of Object.entries(FRAME_TYPES)) assert.equal(frameTypeOf(code), type);
    assert.deepEqual([frameTypeOf(0), frameTypeOf(14), frameTypeOf(255)], [undefined, undefined, undefined]);
  });

  test('fault 47: a DATA frame with any bit turned is refused, and never comes out as another', () => {
    const whole = encodeFrame(example);
    for (let bit = 0; bit < whole.byteLength * 8; bit++) {
      const turned = Uint8Array.from(whole);
      turned[bit >>> 3] = (turned[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
      const answer = refusal(turned);
      // A length that became greater waits for what does not come; the link is then dead by its silence.
      if (bit < 32) assert.ok(!answer.startsWith('it is'), `bit ${bit}: ${answer}`);
      else assert.match(answer, /DATA|unknown type|not JSON|not an object|is missing/, `bit ${bit}`);
    }
    assert.match(
      refusal(Uint8Array.from(whole, (byte, at) => (at === 60 ? byte + 1 : byte))),
      /does not match its checksum/,
    );
  });

  test('what is not a frame is refused as soon as it can be known, with a text that says what it is', () => {
    assert.match(refusal(bytesOf('GET ')), /announces 1195725856 bytes/);
    assert.match(refusal(bytesOf([0, 0, 0, 0])), /announces 0 bytes/);
    assert.match(refusal(bytesOf([0, 0, 1, 0, 99])), /unknown type 99/);
    assert.match(refusal(bytesOf([0, 16, 0, 2, 9])), /PING announces 1048577 bytes, at most 1048576/);
    assert.equal(refusal(bytesOf([0, 16, 0, 1, 9])), 'it waits for more');
    assert.match(
      refusal(bytesOf([0, 16, 0, 1, 9]), { ...EVERYTHING, accepts: new Set(['hello']) }),
      /PING is not awaited/,
    );
    assert.match(refusal(rawFrame(9, '{"id":')), /not JSON/);
    assert.match(refusal(rawFrame(9, Buffer.from([0x22, 0xff, 0x22]))), /not JSON in UTF-8/);
    assert.match(refusal(rawFrame(9, '[]')), /not an object/);
    assert.match(refusal(rawFrame(9, '{}')), /'id' is missing/);
    assert.match(refusal(rawFrame(9, '{"id":1.5}')), /'id' is 1.5/);
    assert.match(refusal(rawFrame(9, '{"id":-1}')), /'id' is -1/);
    assert.match(refusal(rawFrame(9, '{"id":"1"}')), /'id' is '1'/);
    assert.match(refusal(rawFrame(9, '{"id":1e400}')), /'id' is Infinity/);
    assert.match(
      refusal(rawFrame(4, '{"channel":1,"queue":"a/../b","epoch":"e","acked":0}')),
      /'queue' is 'a\/..\/b', expected is the name of a queue/,
    );
    assert.match(refusal(rawFrame(4, '{"channel":1,"queue":"a","epoch":"e/f","acked":0}')), /'epoch' is 'e\/f'/);
  });

  test('fields that a later version adds are ignored, and keys of prototypes are fields like others', () => {
    assert.deepEqual(framesOf([rawFrame(9, '{"id":1,"colour":"red","__proto__":{"id":2},"constructor":{}}')]), [
      { type: 'ping', id: 1 },
    ]);
    assert.match(refusal(rawFrame(9, '{"__proto__":{"id":2}}')), /'id' is missing/);
    assert.equal(({} as { id?: number }).id, undefined);
  });

  test('a text for people cannot move the cursor of their terminal, and one that is too long is cut by its sender', () => {
    const [closing] = framesOf([
      encodeFrame({ type: 'closing', code: 'DONE', text: `\u001b[2Jred\u202e${'x'.repeat(5000)}` }),
    ]);
    assert.ok(closing?.type === 'closing');
    assert.match(closing.text, /^ \[2Jred x+$/);
    assert.equal(closing.text.length, TEXT_LENGTH_MAX);
  });

  test('acknowledgements of a whole window of refused messages fit into a frame', () => {
    const refused = Array.from({ length: 2048 }, (_, index) => ({
      seq: index + 1,
      code: 'NACK_TOO_LARGE' as const,
      text: '"\u0001'.repeat(1000),
    }));
    const [acked] = framesOf([encodeFrame({ type: 'acked', channel: 1, seq: 2048, refused })]);
    assert.equal(acked?.type === 'acked' && acked.refused.length, 2048);
  });

  test('DATA in which counts and lengths do not agree is refused, also with the right checksum', async () => {
    const { crc32 } = await import('node:zlib');
    const sealed = (change: (payload: Buffer) => Buffer | undefined) => {
      const whole = Buffer.from(encodeFrame(example)).subarray(5, -4);
      const payload = change(whole) ?? whole;
      const crc = Buffer.alloc(4);
      crc.writeUInt32BE(crc32(payload));
      return refusal(rawFrame(7, Buffer.concat([payload, crc])));
    };
    assert.equal(
      sealed(() => undefined),
      'it is data',
    );
    assert.match(
      sealed((payload) => void payload.writeUInt16BE(0, 16)),
      /0 messages/,
    );
    assert.match(
      sealed((payload) => void payload.writeUInt16BE(3, 16)),
      /before the end of a message/,
    );
    assert.match(
      sealed((payload) => void payload.writeUInt16BE(1, 16)),
      /after its last message/,
    );
    assert.match(
      sealed((payload) => void payload.writeUInt16BE(513, 16)),
      /513 messages/,
    );
    assert.match(
      sealed((payload) => void payload.writeUInt32BE(0xffffffff, 24)),
      /before the end of a message/,
    );
    assert.match(
      sealed((payload) => void payload.writeUInt32BE(0xffffffff, 20)),
      /4294967295 bytes of headers/,
    );
    assert.match(
      sealed((payload) => void payload.writeUInt8(4, 18)),
      /flags 4/,
    );
    assert.match(
      sealed((payload) => void payload.writeUInt8(8, 19)),
      /priority 8/,
    );
    assert.match(
      sealed((payload) => void payload.writeDoubleBE(Number.NaN, 28)),
      /NaN ms/,
    );
    assert.match(
      sealed((payload) => void payload.writeUIntBE(12, 10, 6)),
      /first sequence 12 .* acked 12/,
    );
    assert.match(
      sealed((payload) => void payload.writeUIntBE(0, 4, 6)),
      /first sequence 0/,
    );
    assert.match(
      sealed((payload) => payload.subarray(0, 10)),
      /fewer than an empty one/,
    );
  });
});

describe('the memory of a frame reader', () => {
  test('an announced length is not believed: memory follows the bytes that have come', () => {
    const reader = new FrameReader(EVERYTHING);
    reader.push(bytesOf([0, 0x40, 0, 0, 7]));
    assert.equal(reader.next(), undefined);
    assert.ok(reader.heldBytes < 10_000, `${reader.heldBytes} bytes for 5`);
  });

  test('bytes that come one at a time cost about a byte each', () => {
    const reader = new FrameReader(EVERYTHING);
    const frame = encodeFrame({ ...example, messages: [messageOf(20_000)] });
    for (let at = 0; at < frame.byteLength - 1; at++) {
      // One byte of a large buffer of the socket, which must not be kept.
      reader.push(Buffer.from(new ArrayBuffer(65_536), 0, 1).fill(frame[at] ?? 0));
      assert.equal(reader.next(), undefined);
    }
    assert.ok(reader.heldBytes <= frame.byteLength + 8192, `${reader.heldBytes} bytes for ${frame.byteLength}`);
    reader.push(frame.subarray(-1));
    assert.equal(reader.next()?.type, 'data');
    assert.equal(reader.heldBytes, 0);
  });

  test('the start of a frame at the end of a large piece does not keep the piece', () => {
    const reader = new FrameReader(EVERYTHING);
    const piece = Buffer.alloc(65_536);
    const ping = encodeFrame({ type: 'ping', id: 1 });
    let at = 0;
    for (; at + ping.byteLength <= piece.byteLength; at += ping.byteLength) piece.set(ping, at);
    piece.set(ping.subarray(0, piece.byteLength - at), at);
    reader.push(piece);
    let frames = 0;
    while (reader.next() !== undefined) frames++;
    assert.equal(frames, Math.floor(65_536 / ping.byteLength));
    assert.ok(reader.heldBytes < 10_000, `${reader.heldBytes} bytes are kept`);
  });

  test('messages share the memory of their frame and of nothing else', () => {
    const [data] = framesOf([Buffer.concat([Buffer.alloc(0), encodeFrame(example), Buffer.alloc(3)])]);
    assert.ok(data?.type === 'data');
    for (const { headers, body } of data.messages) {
      assert.equal(headers.buffer.byteLength, encodeFrame(example).byteLength - 5);
      assert.equal(body.buffer, headers.buffer);
    }
  });

  test('a DATA frame at the limit is taken, one byte more is refused before it comes', () => {
    const limits = { ...EVERYTHING, controlBytesMax: 100, dataBytesMax: 18 + 10 + 1000 + 4 };
    const sized = (bytes: number) => encodeFrame({ ...example, messages: [messageOf(bytes)] });
    assert.equal(refusal(sized(1000), limits), 'it is data');
    assert.match(refusal(sized(1001), limits), /announces/);
    assert.match(refusal(sized(1001).subarray(0, 5), limits), /announces/);
  });
});

function messageOf(bodyBytes: number): Data['messages'][number] {
  return {
    headers: new Uint8Array(0),
    body: new Uint8Array(bodyBytes),
    priority: 0,
    timeToBeReceivedMs: undefined,
    isPossibleDuplicate: false,
  };
}
