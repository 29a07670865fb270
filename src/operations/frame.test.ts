import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MalformedFrame } from './errors.ts';
import { encodeFrame, FrameDecoder } from './frame.ts';
import { FRAME_BYTES_MAX } from './limits.ts';

const VALUES = [
  { id: 1, operation: 'send', request: { body: new Uint8Array([1, 2, 3]), at: 2 ** 47 + 1, none: undefined } },
  { id: 2, result: null },
  'short',
];
const BYTES = Buffer.concat(VALUES.map(encodeFrame));

describe('frames of the control socket', () => {
  test('come out as they went in, cut at whatever byte', () => {
    for (let cutAt = 0; cutAt <= BYTES.length; cutAt++) {
      const decoder = new FrameDecoder();
      const values = [...decoder.push(BYTES.subarray(0, cutAt)), ...decoder.push(BYTES.subarray(cutAt))];
      assert.deepEqual(plain(values), plain(VALUES), `cut at ${cutAt}`);
    }
  });

  test('come out when every byte arrives alone', () => {
    const decoder = new FrameDecoder();
    const values = [...BYTES].flatMap((byte) => [...decoder.push(Uint8Array.of(byte))]);
    assert.deepEqual(plain(values), plain(VALUES));
  });

  test('a length of nothing or beyond the limit is refused before its bytes are waited for', () => {
    for (const length of [0, FRAME_BYTES_MAX + 1, 0xffffffff]) {
      const head = Buffer.alloc(4);
      head.writeUInt32BE(length);
      assert.throws(() => new FrameDecoder().push(head), MalformedFrame, String(length));
    }
    const head = Buffer.alloc(4);
    head.writeUInt32BE(FRAME_BYTES_MAX);
    assert.deepEqual(new FrameDecoder().push(head), []);
  });

  test('bytes that are no MessagePack are refused', () => {
    for (const bytes of [
      [0x92, 0x01],
      [0x01, 0x02],
      [0xdd, 0xff, 0xff, 0xff, 0xff],
      [0xc7, 1, 0x72, 1],
    ]) {
      assert.throws(() => new FrameDecoder().push(Buffer.from([0, 0, 0, bytes.length, ...bytes])), MalformedFrame);
    }
  });

  test('a name that reaches into prototypes stays data', () => {
    const packed = Buffer.from([0x81, 0xa9, ...Buffer.from('__proto__'), 0x81, 0xa1, 0x78, 0x01]);
    const head = Buffer.alloc(4);
    head.writeUInt32BE(packed.length);
    const [value] = new FrameDecoder().push(Buffer.concat([head, packed]));
    assert.equal((value as { x?: number }).x, undefined);
    assert.equal(({} as { x?: number }).x, undefined);
  });
});

/** Arrays of bytes as plain arrays, and what is undefined left out. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array || Array.isArray(value)) return Array.from(value, plain);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, part]) => part !== undefined);
  return Object.fromEntries(entries.map(([name, part]) => [name, plain(part)]));
}
