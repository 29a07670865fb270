import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Network } from '../../io/network.ts';
import { SimulatedIo } from '../../testing/simulated-io.ts';
import { type AddressEvent, AddressWatch } from './address-watch.ts';

function setup() {
  const io = new SimulatedIo();
  const addresses = new Set(['127.0.0.1', '10.0.0.1']);
  let looks = 0;
  const network = {
    interfaceAddresses: () => {
      looks++;
      return [...addresses];
    },
  } as unknown as Network;
  const watch = new AddressWatch({ network, clock: io.clock, timers: io.timers });
  const events: AddressEvent[] = [];
  watch.listen((event) => events.push(event));
  watch.start();
  const advance = (byMs: number) => {
    io.clock.advance(byMs);
    io.timers.runDue();
  };
  return { io, addresses, watch, events, advance, looks: () => looks };
}

describe('watching the addresses of this machine', () => {
  test('fault 51: what came and what went is told within 2 s', () => {
    const { addresses, events, advance, watch } = setup();
    advance(2_000);
    assert.deepEqual(events, []);
    addresses.delete('10.0.0.1');
    addresses.add('10.0.0.5');
    advance(1_999);
    assert.deepEqual(events, []);
    advance(1);
    assert.deepEqual(events, [{ kind: 'addressesChanged', added: ['10.0.0.5'], removed: ['10.0.0.1'] }]);
    assert.deepEqual([...watch.addresses], ['127.0.0.1', '10.0.0.5']);
    advance(2_000);
    assert.equal(events.length, 1);
  });

  test('a machine that slept is noticed by its wall clock, or by a look that comes late', () => {
    const { io, events, advance } = setup();
    io.clock.jumpWall(3_600_000);
    advance(2_000);
    assert.deepEqual(events, [{ kind: 'resumed', gapMs: 3_600_000 }]);
    advance(7_001);
    assert.deepEqual(events[1], { kind: 'resumed', gapMs: 5_001 });
  });

  test('a clock that is set back, or forward by a little, is no sleep', () => {
    const { io, events, advance } = setup();
    io.clock.jumpWall(-3_600_000);
    advance(2_000);
    io.clock.jumpWall(5_000);
    advance(2_000);
    assert.deepEqual(events, []);
  });

  test('after stop nobody looks', () => {
    const { watch, advance, looks } = setup();
    watch.stop();
    const before = looks();
    advance(10_000);
    assert.equal(looks(), before);
  });
});
