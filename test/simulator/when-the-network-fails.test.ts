import assert from 'node:assert/strict';
import { test } from 'node:test';
import { STREAM_WINDOW_MESSAGES } from '../../src/transfer/wire/limits.ts';
import { MachinesStory } from './machines-story.ts';

/** G-T5: with the cap of the backoff, whatever happened before. */
const RESUMED_MS_MAX = 60_000;
const NOTICED_MS_MAX = 15_000;

for (const [words, ms] of [
  ['a second', 1_000],
  ['a minute', 60_000],
  ['an hour', 3_600_000],
] as const) {
  test(`fault 29: after a partition of ${words} everything arrives, and meanwhile memory stays bounded`, async () => {
    const story = await MachinesStory.begin(['alpha', 'beta']);
    await story.send('alpha', 'beta', 10);
    await story.settled();
    story.cut('alpha', 'beta', true, { both: true });
    await story.send('alpha', 'beta', 3_000);
    await story.advance(ms);
    const status = await story.status('alpha', 'beta');
    assert.equal(status.messages, 3_000);
    assert.ok(status.unacknowledged <= STREAM_WINDOW_MESSAGES);
    if (ms > NOTICED_MS_MAX) assert.notEqual(status.state, 'CONNECTED');
    story.cut('alpha', 'beta', false, { both: true });
    await story.arrival('alpha', 'beta', 3_010, RESUMED_MS_MAX);
    for (const connection of story.universe.internet.connections) assert.ok(connection.waitingBytesMax < 5_000_000);
    await story.end();
  });
}

for (const [who, from, to] of [
  ['the sender', 'alpha', 'beta'],
  ['the receiver', 'beta', 'alpha'],
] as const) {
  test(`fault 30: when only the way from ${who} is cut, both ends notice within 15 s, and say why`, async () => {
    const story = await MachinesStory.begin(['alpha', 'beta']);
    await story.send('alpha', 'beta', 5);
    await story.send('beta', 'alpha', 5);
    await story.settled();
    story.cut(from, to, true);
    await story.send('alpha', 'beta', 5);
    await story.send('beta', 'alpha', 5);
    await story.advance(NOTICED_MS_MAX);
    for (const status of [await story.status('alpha', 'beta'), await story.status('beta', 'alpha')]) {
      assert.notEqual(status.state, 'CONNECTED');
      assert.ok(['PEER_SILENT', 'CONNECT_TIMEOUT', 'RESET'].includes(status.reason ?? ''), status.text);
    }
    for (const name of ['alpha', 'beta']) assert.deepEqual(story.running(name).transfer.describeIncoming().links, []);
    story.cut(from, to, false);
    await story.arrival('alpha', 'beta', 10, RESUMED_MS_MAX);
    await story.arrival('beta', 'alpha', 10, RESUMED_MS_MAX);
    await story.end();
  });
}

test('fault 31: a receiver that loses power says nothing; the sender notices within 15 s and goes on when it is back', async () => {
  const story = await MachinesStory.begin(['alpha', 'beta']);
  await story.send('alpha', 'beta', 5);
  await story.settled();
  story.machine('beta').powerOff();
  await story.send('alpha', 'beta', 5);
  const status = await story.untilState('alpha', 'beta', NOTICED_MS_MAX, ({ state }) => state !== 'CONNECTED');
  assert.equal(status.unacknowledged, 5);
  await story.advance(30_000);
  await story.start('beta');
  await story.arrival('alpha', 'beta', 10, RESUMED_MS_MAX);
  await story.end();
});

test('fault 32: a mapping that a router forgot is noticed by the heartbeat, and another link takes over', async () => {
  const story = await MachinesStory.begin(['alpha', 'beta']);
  await story.send('alpha', 'beta', 5);
  await story.settled();
  for (const connection of story.universe.internet.connections) connection.isForgotten = true;
  await story.send('alpha', 'beta', 5);
  await story.arrival('alpha', 'beta', 10, NOTICED_MS_MAX);
  await story.end();
});

test('fault 36: a receiver that is killed before its sync gets everything again, once', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const story = await MachinesStory.begin(['alpha', 'beta'], { seed, machines: { beta: { syncMs: 50 } } });
    const beta = story.machine('beta');
    await story.send('alpha', 'beta', 5);
    story.universe.tap.once('data', () => story.world.at(1 + 50 * story.world.random.fraction(), () => beta.kill()));
    await story.until('beta is killed', 10_000, () => beta.isDown);
    assert.deepEqual(story.universe.coverage.of('frame acked'), 0);
    await story.start('beta');
    await story.arrival('alpha', 'beta', 5, RESUMED_MS_MAX);
    await story.end();
  }
});

test('fault 37: a sender that is killed after the acknowledgement and before the removal sends nothing twice', async () => {
  let resumedCount = 0;
  for (let seed = 1; seed <= 20; seed++) {
    const story = await MachinesStory.begin(['alpha', 'beta'], { seed, machines: { alpha: { syncMs: 50 } } });
    const alpha = story.machine('alpha');
    await story.send('alpha', 'beta', 5);
    story.universe.tap.once('acked', () => story.world.at(1 + 45 * story.world.random.fraction(), () => alpha.kill()));
    await story.until('alpha is killed', 10_000, () => alpha.isDown);
    await story.start('alpha');
    await story.end();
    assert.equal(story.arrivedFrom('alpha', 'beta').length, 5);
    resumedCount += story.universe.coverage.of('attached known');
  }
  assert.ok(resumedCount > 0, 'in some run the removal was lost with the process');
});

test('fault 38: both are killed every 2 s for 10 min under load: each message arrives once, in order', async () => {
  const story = await MachinesStory.begin(['alpha', 'beta']);
  story.load('alpha', 'beta', 200, 2_500);
  story.load('beta', 'alpha', 500, 1_000);
  for (let round = 0; round < 300; round++) {
    const name = round % 2 === 0 ? 'alpha' : 'beta';
    await story.advance(1_000 + 1_000 * story.world.random.fraction());
    story.machine(name).kill();
    await story.advance(100 + 400 * story.world.random.fraction());
    await story.start(name);
  }
  assert.ok(story.universe.ledger.arrivedCount('alpha', 'beta') > 1_000, 'it goes on between the kills');
  await story.end(300_000);
});

test('fault 40: both dial at the same moment: both ways work, over one link each', async () => {
  const story = await MachinesStory.begin(['alpha', 'beta']);
  story.load('alpha', 'beta', 0, 1);
  story.load('beta', 'alpha', 0, 1);
  await story.arrival('alpha', 'beta', 1, 2_000);
  await story.arrival('beta', 'alpha', 1, 2_000);
  for (const name of ['alpha', 'beta']) assert.equal(story.running(name).transfer.describeIncoming().links.length, 1);
  await story.end();
});

test('fault 41: all ways are clogged one by one and freed in another order: everything arrives', async () => {
  const names = ['alpha', 'beta', 'gamma', 'delta'];
  const story = await MachinesStory.begin(names);
  const ways = names.flatMap((from) => names.filter((to) => to !== from).map((to) => [from, to] as const));
  const shuffled = (): (readonly [string, string])[] =>
    ways
      .map((way) => ({ way, key: story.world.random.fraction() }))
      .sort((a, b) => a.key - b.key)
      .map(({ way }) => way);
  for (const [from, to] of ways) story.load(from, to, 500, 120);
  for (const [from, to] of shuffled()) {
    story.cut(from, to, true);
    await story.advance(3_000);
  }
  await story.advance(20_000);
  for (const [from, to] of shuffled()) {
    story.cut(from, to, false);
    await story.advance(1_000);
  }
  for (const [from, to] of ways) await story.arrival(from, to, 120, 2 * RESUMED_MS_MAX);
  await story.end();
});

test('fault 46: a backlog of 20,000 messages goes out in order, with no more than the window on the way', async () => {
  const story = await MachinesStory.begin(['alpha', 'beta']);
  story.cut('alpha', 'beta', true, { both: true });
  for (let batch = 0; batch < 20; batch++) await story.send('alpha', 'beta', 1_000);
  story.cut('alpha', 'beta', false, { both: true });
  let unacknowledgedMax = 0;
  const beganMs = story.nowMs;
  while (story.universe.ledger.arrivedCount('alpha', 'beta') < 20_000) {
    await story.advance(50);
    unacknowledgedMax = Math.max(unacknowledgedMax, (await story.status('alpha', 'beta')).unacknowledged);
    assert.ok(story.nowMs - beganMs < RESUMED_MS_MAX + 30_000);
  }
  assert.ok(unacknowledgedMax <= STREAM_WINDOW_MESSAGES, `${unacknowledgedMax} were on the way`);
  const arrived = story.arrivedFrom('alpha', 'beta');
  assert.deepEqual(
    arrived,
    arrived.toSorted((one, other) => one - other),
  );
  await story.end();
});
