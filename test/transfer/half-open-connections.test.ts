import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../src/io/logger.ts';
import { type Connection, NameFailure } from '../../src/io/network.ts';
import { nodeIo } from '../../src/io/node-io.ts';
import { nodeNetwork } from '../../src/io/node-network.ts';
import { AddressWatch } from '../../src/transfer/links/address-watch.ts';
import type { Link, LinkHandlers } from '../../src/transfer/links/link.ts';
import { Listener } from '../../src/transfer/links/listener.ts';
import { openLink } from '../../src/transfer/links/open-link.ts';

const STRANGERS = 2_000;

const nothing: LinkHandlers = {
  frame: () => undefined,
  drained: () => undefined,
  silent: () => undefined,
  closed: () => undefined,
};

const selfOf = (machine: string) => ({
  machine,
  storeId: `store-of-${machine}`,
  instanceId: `instance-of-${machine}`,
  version: '0.1.0',
  bodyBytesMax: 1_000_000,
});

function listenerOnLoopback(accepted: Link[]) {
  const io = nodeIo();
  const network = nodeNetwork();
  const addressWatch = new AddressWatch({ network, clock: io.clock, timers: io.timers });
  const listener = new Listener({
    network,
    names: { resolve: (name) => Promise.reject(new NameFailure('NOT_FOUND', name)) },
    io,
    listen: { address: '127.0.0.1', port: 0 },
    settings: {
      listen: undefined,
      machines: new Map(),
      port: 1801,
      aliases: [],
      tls: undefined,
      allowPlaintext: false,
      namesFile: undefined,
      missingQueueGraceMs: 0,
    },
    tls: undefined,
    self: selfOf('beta'),
    logger: silentLogger,
    addressWatch,
    accepted: (link) => {
      accepted.push(link);
      return nothing;
    },
    lookBack: () => Promise.resolve({}),
  });
  return { listener, network, io };
}

test('2,000 strangers who connect and say nothing, or too little, keep no peer out and cost little', {
  timeout: 60_000,
}, async (t) => {
  const accepted: Link[] = [];
  const { listener, network, io } = listenerOnLoopback(accepted);
  await listener.start();
  const { port } = listener;
  const strangers: Connection[] = [];
  let closedByListener = 0;
  t.after(async () => {
    for (const stranger of strangers) stranger.destroy();
    await listener.stop();
  });
  const connect = async (index: number): Promise<void> => {
    const stranger = await network.connect({ address: '127.0.0.1', port, timeoutMs: 20_000 });
    strangers.push(stranger);
    stranger.listen({ onBytes: () => undefined, onClosed: () => closedByListener++ });
    // Half of them begin a HELLO of 60 KiB that never ends.
    if (index % 2 === 0) stranger.write(Buffer.from([0, 0, 0xf0, 0, 1, 0x7b]));
  };
  const memoryBefore = process.memoryUsage().rss;
  for (let index = 0; index < STRANGERS; index += 100) {
    await Promise.all(Array.from({ length: 100 }, (_, offset) => connect(index + offset)));
  }
  const startMs = io.clock.monotonicNowMs();
  const link = await openLink({
    network,
    clock: io.clock,
    timers: io.timers,
    self: selfOf('alpha'),
    machine: 'beta',
    name: 'beta',
    address: '127.0.0.1',
    port,
    purpose: 'transfer',
    tls: undefined,
    allowPlaintext: false,
    connectTimeoutMs: 5_000,
  });
  const tookMs = io.clock.monotonicNowMs() - startMs;
  link.listen(nothing);
  const { roundTripMs } = await link.ping();
  const grownMiB = (process.memoryUsage().rss - memoryBefore) / 1024 / 1024;
  t.diagnostic(
    `in after ${tookMs.toFixed(1)} ms, round trip ${roundTripMs.toFixed(1)} ms, ${grownMiB.toFixed(0)} MiB more, ${closedByListener} strangers closed`,
  );
  assert.ok(tookMs < 2_000, `${tookMs} ms`);
  assert.equal(accepted.length, 1);
  // Both ends of all of them live in this process.
  assert.ok(grownMiB < 200, `${grownMiB} MiB`);
  assert.ok(closedByListener >= STRANGERS - 1_200, `${closedByListener} were closed`);
  assert.equal(listener.refusals.latest[0]?.code, 'TOO_MANY_CONNECTIONS');
  link.close('DONE', 'That was all.');
});
