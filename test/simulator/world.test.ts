import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimulatedHost } from './simulated-host.ts';
import { NameTable, SimulatedNames } from './simulated-names.ts';
import { SimulatedProcess } from './simulated-process.ts';
import { World } from './world.ts';

function setup() {
  const world = new World({ seed: 1 });
  const host = new SimulatedHost(world, 'alpha');
  const process = new SimulatedProcess(world, { machine: 'alpha', name: 'alpha#1', clock: host.clock });
  return { world, host, process };
}

test('events run in the order of their times, and what follows from one is done before the next', async () => {
  const { world, process } = setup();
  const said: string[] = [];
  process.io.timers.after(20, () => said.push(`second ${world.nowMs}`));
  process.io.timers.after(10, async () => {
    for (let step = 0; step < 100; step++) await undefined;
    process.io.timers.soon(() => said.push(`soon ${world.nowMs}`));
    said.push(`first ${world.nowMs}`);
  });
  await world.run(1_000);
  assert.deepEqual(said, ['first 10', 'soon 10', 'second 20']);
  assert.equal(world.nowMs, 1_000);
});

test('a process that died gets no timer any more; one that is stopped gets it when it goes on', async () => {
  const { world, host, process } = setup();
  const other = new SimulatedProcess(world, { machine: 'alpha', name: 'alpha#2', clock: host.clock });
  const said: string[] = [];
  process.io.timers.after(10, () => said.push('the dead one speaks'));
  other.io.timers.after(10, () => said.push(`the stopped one at ${world.nowMs}`));
  world.at(5, () => {
    process.die();
    other.pause();
  });
  world.at(50, () => other.resume());
  await world.run(100);
  assert.deepEqual(said, ['the stopped one at 50']);
});

test('an exception that nobody catches, and a loop in which no time passes, end the run', async () => {
  const { world, process } = setup();
  process.io.timers.after(1, () => {
    throw new Error('nobody catches this');
  });
  await world.run(10);
  assert.equal(world.failure?.check, 'uncaught exception');
  const other = setup();
  const again = (): void => other.process.io.timers.soon(again);
  other.process.io.timers.after(1, again);
  await other.world.run(10);
  assert.equal(other.world.failure?.check, 'livelock');
  const third = setup();
  const atOnce = (): void => void third.process.io.timers.after(0, atOnce);
  atOnce();
  await third.world.run(10);
  assert.equal(third.world.failure?.check, 'livelock');
});

test('a delay that is next to nothing is one: time passes', async () => {
  const { world, process } = setup();
  await world.run(137_000);
  let ranCount = 0;
  const again = (): void => {
    ranCount++;
    process.io.timers.after(Number.MIN_VALUE, again);
  };
  again();
  await world.run(137_001);
  assert.ok(ranCount > 500 && ranCount < 2_000);
});

test('a promise that does not settle in its time is a failure of liveness', async () => {
  const { world } = setup();
  await world.settle('something', 1_000, new Promise(() => {}));
  assert.equal(world.failure?.check, 'liveness');
});

test('a boot begins monotonic time anew, and a wall clock jumps alone', async () => {
  const { world, host } = setup();
  await world.run(5_000);
  const { clock } = host;
  const before = { monotonicMs: clock.monotonicNowMs(), wallMs: clock.wallNowMs(), bootId: clock.bootId };
  host.wallOffsetMs += 86_400_000;
  assert.equal(clock.monotonicNowMs(), before.monotonicMs);
  assert.equal(clock.wallNowMs(), before.wallMs + 86_400_000);
  host.powerOff();
  host.bootUp();
  assert.equal(clock.monotonicNowMs(), before.monotonicMs - 5_000);
  assert.notEqual(clock.bootId, before.bootId);
});

test('a host hears the former addresses of a name until its copy is too old, and its own troubles', async () => {
  const { world, host, process } = setup();
  const table = new NameTable(world);
  const names = new SimulatedNames(world, table, host, process);
  const ask = (name = 'beta.example') => world.settle('resolving', 20_000, names.resolve(name, 5_000));
  table.set('beta.example', ['10.0.0.2'], [host]);
  assert.deepEqual((await ask())?.addresses, ['10.0.0.2']);
  table.set('beta.example', ['10.0.0.3'], [host], 60_000);
  assert.deepEqual((await ask())?.addresses, ['10.0.0.2']);
  await world.advance(60_000);
  assert.deepEqual((await ask())?.addresses, ['10.0.0.3']);
  assert.deepEqual((await ask('10.0.0.9'))?.addresses, ['10.0.0.9']);
  await assert.rejects(ask('nobody.example'), { code: 'NOT_FOUND' });
  table.trouble(host, 'beta.example', 'SERVER_FAILED');
  await assert.rejects(ask(), { code: 'SERVER_FAILED' });
  table.trouble(host, 'beta.example', 'SILENT');
  const beganMs = world.nowMs;
  await assert.rejects(ask(), { code: 'TIMEOUT' });
  assert.equal(world.nowMs, beganMs + 5_000);
});
