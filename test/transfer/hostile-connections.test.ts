import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { nodeIo } from '../../src/io/node-io.ts';
import { encodeFrame } from '../../src/transfer/wire/encode-frame.ts';
import { FRAME_TYPES } from '../../src/transfer/wire/frame-types.ts';
import { makeTestAuthority } from '../support/certificates.ts';
import { HostileFrames, helloOf } from '../support/hostile-frames.ts';
import { Victim } from '../support/victim.ts';

const IN_TIME_MS = 2_000;
const HALF_OPEN = 2_000;
const FRAMES = 100_000;
const SEED = 20_261_122;
const MEBIBYTE = 1024 * 1024;
/** More than before, once what is garbage was collected. */
const GROWTH_BYTES_MAX = 32 * MEBIBYTE;

/** How TLS begins: a record of 512 bytes with the greeting of a client. */
const CLIENT_HELLO = Buffer.alloc(517);
CLIENT_HELLO.set([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);

/** A stranger from one of 200 networks, each on a loopback address of its own; it never fails, it only ends. */
function stranger({ port }: Victim, index: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, localAddress: `127.1.${index % 200}.1` });
    socket.once('connect', () => resolve(socket));
    socket.once('close', () => resolve(undefined));
    socket.on('error', () => undefined).resume();
  });
}

function pause(pauseMs: number): Promise<void> {
  return new Promise((resolve) => nodeIo().timers.after(pauseMs, resolve, { keepsProcessAlive: true }));
}

function mebibytes(bytes: number): string {
  return `${(bytes / MEBIBYTE).toFixed(1)} MiB`;
}

describe('a machine among strangers', () => {
  for (const { kind, withTls } of [
    { kind: 'without TLS', withTls: false },
    { kind: 'with TLS', withTls: true },
  ]) {
    test(`${kind} that holds 2,000 half-open connections takes a peer in time, in bounded memory`, async (t) => {
      const house = await makeTestAuthority();
      const materials = { alpha: await house.material('alpha'), beta: await house.material('beta') };
      await using victim = await Victim.begin(withTls ? materials : undefined);
      const before = await victim.memoryBytes();
      const hello = withTls ? CLIENT_HELLO : encodeFrame(helloOf('mallory', 'a-store', 'a-process'));
      const strangers: (Socket | undefined)[] = [];
      for (let index = 0; index < HALF_OPEN; index += 100) {
        const some = Array.from({ length: 100 }, (_, offset) => stranger(victim, index + offset));
        strangers.push(...(await Promise.all(some)));
        // Half of them say half of a HELLO.
        for (const one of strangers.slice(-50)) one?.write(hello.subarray(0, hello.byteLength / 2));
      }
      const took = await victim.deliver();
      const grown = (await victim.memoryBytes()) - before;
      const open = strangers.filter((one) => one !== undefined && !one.destroyed).length;
      t.diagnostic(`delivered in ${took.toFixed(0)} ms; ${open} still open; ${mebibytes(grown)} more`);
      assert.ok(took <= IN_TIME_MS, `${took} ms`);
      assert.ok(grown <= GROWTH_BYTES_MAX, mebibytes(grown));
      assert.ok(strangers.length === HALF_OPEN && open < HALF_OPEN, 'the oldest had to go');
      const { refusals, refusedCount } = await victim.refusals(1_000);
      const code = withTls ? 'HANDSHAKE_TIMEOUT' : 'TOO_MANY_CONNECTIONS';
      assert.ok(
        refusedCount >= 1_000 && refusals.some((refusal) => refusal.code === code),
        JSON.stringify(refusals[0]),
      );
      for (const one of strangers) one?.destroy();
      await victim.end();
    });
  }

  test('whom strangers write to byte by byte cuts them off, and takes a peer in time', async (t) => {
    await using victim = await Victim.begin();
    const before = await victim.memoryBytes();
    const frames = new HostileFrames(SEED);
    const slow = async (index: number): Promise<boolean> => {
      const socket = await stranger(victim, index);
      if (socket === undefined) return false;
      // Every other one is let in first, and then announces the largest message there is.
      if (index % 2 === 0) socket.write(encodeFrame(helloOf(`slow-${index}`, `store-${index}`, `process-${index}`)));
      const bytes = index % 2 === 0 ? frames.largestData() : encodeFrame(helloOf('mallory', 'a-store', 'a-process'));
      for (let at = 0; !socket.destroyed && at < bytes.byteLength; at++) {
        socket.write(bytes.subarray(at, at + 1));
        await pause(100);
      }
      return socket.destroyed;
    };
    const all = Promise.all(Array.from({ length: 200 }, (_, index) => slow(index)));
    await pause(500);
    const took = await victim.deliver();
    const grown = (await victim.memoryBytes()) - before;
    const { refusals } = await victim.refusals(100);
    t.diagnostic(`delivered in ${took.toFixed(0)} ms; ${mebibytes(grown)} more`);
    assert.ok(took <= IN_TIME_MS, `${took} ms`);
    assert.ok(grown <= GROWTH_BYTES_MAX, mebibytes(grown));
    assert.deepEqual([...new Set(refusals.map(({ code }) => code))], ['HANDSHAKE_TIMEOUT']);
    assert.match(refusals[0]?.text ?? '', /no whole HELLO within 5 s/);
    await victim.end();
    assert.deepEqual([...new Set(await all)], [true], 'none of them came to its end');
  });

  test('who send 100,000 fuzzed frames, before and after a valid HELLO, harms nobody but itself', async (t) => {
    await using victim = await Victim.begin();
    let left = FRAMES;
    let connections = 0;
    let letIn = 0;
    const attack = async (slot: number): Promise<void> => {
      const frames = new HostileFrames(SEED + slot);
      while (left > 0) {
        const socket = await stranger(victim, slot);
        if (socket === undefined) continue;
        connections++;
        const closed = new Promise((resolve) => socket.once('close', resolve));
        let hasHeard = (): void => undefined;
        socket.on('data', () => hasHeard());
        const answered = (): Promise<unknown> => {
          const heard = new Promise<void>((resolve) => {
            hasHeard = resolve;
          });
          return Promise.race([closed, heard, pause(20)]);
        };
        if (frames.chance(0.9)) {
          const store = `store-${slot}-${connections % 1000}`;
          socket.write(encodeFrame(helloOf(`mallory-${connections}`, store, `process-${slot}`)));
          await answered();
          if (!socket.destroyed) letIn++;
        }
        while (left > 0 && !socket.destroyed && socket.writable) {
          left--;
          const bytes = frames.next();
          socket.write(bytes);
          // A stream that is not attached yet takes nothing; and what is refused is to be seen before the next.
          if (bytes[4] === FRAME_TYPES.attach.code || frames.chance(0.1)) await answered();
        }
        socket.destroy();
      }
    };
    const before = await victim.memoryBytes();
    const all = Promise.all(Array.from({ length: 6 }, (_, slot) => attack(slot)));
    while (left > FRAMES / 2) await pause(20);
    const took = await victim.deliver();
    const leftThen = left;
    const grownThen = (await victim.memoryBytes()) - before;
    await all;
    const again = await victim.deliver();
    const grown = (await victim.memoryBytes()) - before;
    const { refusedCount } = await victim.refusals(100);
    const taken = await victim.messagesTaken();
    t.diagnostic(
      `delivered in ${took.toFixed(0)} ms with ${leftThen} frames left, in ${again.toFixed(0)} ms after them; ` +
        `${connections} connections, ${letIn} let in, ${refusedCount} refused, ${taken} messages taken; ` +
        `${mebibytes(grownThen)} more meanwhile, ${mebibytes(grown)} after`,
    );
    assert.ok(letIn > connections / 2 && taken > 1_000, 'the frames were not all stopped at the door');
    assert.ok(leftThen > 0, 'a peer came while the frames did');
    assert.ok(Math.max(took, again) <= IN_TIME_MS, `${took} ms, ${again} ms`);
    assert.ok(Math.max(grownThen, grown) <= GROWTH_BYTES_MAX, `${mebibytes(grownThen)}, ${mebibytes(grown)}`);
    await victim.end();
  });
});
