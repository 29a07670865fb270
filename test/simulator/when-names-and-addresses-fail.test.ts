import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MachinesStory } from './machines-story.ts';

async function setup(names: readonly string[] = ['alpha', 'beta']): Promise<MachinesStory> {
  const story = await MachinesStory.begin(names);
  await story.send('alpha', 'beta', 5);
  await story.settled();
  return story;
}

test('fault 49: the address of the receiver changes and its name follows: traffic flows again within 10 s', async () => {
  const story = await setup();
  story.load('alpha', 'beta', 100, 200);
  await story.advance(1_000);
  story.move('beta', '10.0.7.7');
  const before = story.arrivedFrom('alpha', 'beta').length;
  await story.arrival('alpha', 'beta', before + 50, 10_000);
  await story.end();
});

test('fault 50: the name follows after 5 min: traffic flows within 60 s of that, and until then the queue says why not', async () => {
  const story = await setup();
  story.universe.moveTo(story.machine('beta'), ['10.0.7.7'], 300_000);
  // It cannot connect by itself: its packets to alpha get lost on the new way, until the name is right.
  story.cut('beta', 'alpha', true);
  await story.send('alpha', 'beta', 5);
  await story.advance(120_000);
  const status = await story.status('alpha', 'beta');
  assert.equal(status.messages, 5);
  assert.equal(status.reason, 'CONNECT_TIMEOUT');
  assert.match(status.text, /beta\.example.*10\.0\.0\.2/);
  await story.advance(180_000);
  story.cut('beta', 'alpha', false);
  await story.arrival('alpha', 'beta', 10, 60_000);
  await story.end();
});

test('fault 50: the name is stale and the receiver connects by itself: traffic flows at once', async () => {
  const story = await setup();
  story.universe.moveTo(story.machine('beta'), ['10.0.7.7'], 300_000);
  await story.send('alpha', 'beta', 5);
  await story.advance(30_000);
  await story.send('beta', 'alpha', 1);
  await story.arrival('alpha', 'beta', 10, 5_000);
  await story.end();
});

test('fault 51: the address of the sender changes under its connections: it notices, and sends from the new one', async () => {
  const story = await setup();
  story.load('alpha', 'beta', 100, 200);
  await story.advance(1_000);
  story.move('alpha', '10.0.7.1');
  const before = story.arrivedFrom('alpha', 'beta').length;
  await story.arrival('alpha', 'beta', before + 50, 20_000);
  const links = story.running('beta').transfer.describeIncoming().links;
  assert.ok(links.some(({ remoteAddress }) => remoteAddress === '10.0.7.1'));
  await story.end();
});

test('fault 52: a machine that listens answers at its new address without a restart', async () => {
  const story = await setup(['alpha', 'beta', 'gamma']);
  const { process } = story.running('beta');
  story.move('beta', '10.0.7.7');
  await story.send('gamma', 'beta', 3);
  await story.arrival('gamma', 'beta', 3, 10_000);
  assert.equal(story.running('beta').process, process);
  await story.end();
});

test('fault 55: a name that is gone breaks no connection', async () => {
  const story = await setup();
  story.load('alpha', 'beta', 1_000, 120);
  story.universe.names.trouble(story.machine('alpha').host, 'beta.example', 'NOT_FOUND');
  await story.advance(100_000);
  const status = await story.status('alpha', 'beta');
  assert.equal(status.state, 'CONNECTED');
  await story.arrival('alpha', 'beta', 125, 60_000);
  await story.end();
});

test('fault 56: without the name the queue says NAME_NOT_FOUND and when it tries again; with it, messages flow', async () => {
  const story = await MachinesStory.begin(['alpha', 'beta']);
  const { names } = story.universe;
  const { host } = story.machine('alpha');
  names.trouble(host, 'beta.example', 'NOT_FOUND');
  await story.send('alpha', 'beta', 3);
  await story.advance(60_000);
  const status = await story.untilState('alpha', 'beta', 60_000, ({ state }) => state === 'WAITING');
  assert.equal(status.reason, 'NAME_NOT_FOUND');
  assert.ok((status.nextAttemptInMs ?? 0) > 0);
  names.trouble(host, 'beta.example', undefined);
  await story.arrival('alpha', 'beta', 3, 60_000);
  await story.end();
});

for (const [words, trouble, reason] of [
  ['that fails', 'SERVER_FAILED', 'NAME_SERVER_FAILED'],
  ['that is mute', 'SILENT', 'NAME_TIMEOUT'],
] as const) {
  test(`fault 57: a name server ${words} is a reason of its own, and holds up no other machine`, async () => {
    const story = await MachinesStory.begin(['alpha', 'beta', 'gamma']);
    const { names } = story.universe;
    const { host } = story.machine('alpha');
    names.trouble(host, 'beta.example', trouble);
    await story.send('alpha', 'beta', 1);
    await story.send('alpha', 'gamma', 5);
    await story.arrival('alpha', 'gamma', 5, 1_000);
    const status = await story.untilState('alpha', 'beta', 30_000, ({ state }) => state === 'WAITING');
    assert.equal(status.reason, reason);
    names.trouble(host, 'beta.example', undefined);
    await story.arrival('alpha', 'beta', 1, 60_000);
    await story.end();
  });
}

test('fault 58: of three addresses the first is mute, the second refuses, the third is right: connected within two starts', async () => {
  const story = await MachinesStory.begin(['alpha', 'beta', 'gamma']);
  await story.world.settle('the stop of gamma', 10_000, story.machine('gamma').stop());
  const { names, hosts } = story.universe;
  names.set('beta.example', ['10.0.9.9', '10.0.0.3', '10.0.0.2'], hosts);
  await story.send('alpha', 'beta', 1);
  const tookMs = await story.arrival('alpha', 'beta', 1, 5_000);
  assert.ok(tookMs < 600, `it took ${tookMs} ms`);
  await story.start('gamma');
  await story.end();
});

for (const [family, addresses] of [
  ['IPv6', ['fd00::2', '10.0.9.9']],
  ['IPv4', ['fd00::9', '10.0.0.2']],
] as const) {
  test(`fault 59: when only ${family} works, it is found`, async () => {
    const story = await MachinesStory.begin(['alpha', 'beta']);
    const { names, hosts } = story.universe;
    story.machine('alpha').host.addresses.add('fd00::1');
    story.machine('beta').host.addresses.add('fd00::2');
    names.set('beta.example', addresses, hosts);
    await story.send('alpha', 'beta', 1);
    await story.arrival('alpha', 'beta', 1, 2_000);
    await story.end();
  });
}

test('fault 60: the name points to another machine of ours: it gets nothing, the state is WRONG_HOST, and both sides can see it', async () => {
  const story = await MachinesStory.begin(['alpha', 'beta', 'gamma']);
  const { names, hosts } = story.universe;
  names.set('beta.example', ['10.0.0.3'], hosts);
  await story.send('alpha', 'beta', 3);
  const status = await story.untilState('alpha', 'beta', 10_000, ({ reason }) => reason === 'WRONG_HOST');
  assert.match(status.text, /gamma/);
  assert.match(status.text, /10\.0\.0\.3/);
  const { refusals } = story.running('gamma').transfer.describeIncoming();
  assert.equal(refusals[0]?.code, 'WRONG_HOST');
  assert.equal(refusals[0]?.claimedMachine, 'alpha');
  names.set('beta.example', ['10.0.0.2'], hosts);
  await story.arrival('alpha', 'beta', 3, 60_000);
  await story.end();
});

test('addresses of two machines are swapped under load: not one message reaches the wrong machine', async () => {
  const story = await setup(['alpha', 'beta', 'gamma']);
  story.load('alpha', 'beta', 50, 400);
  story.load('alpha', 'gamma', 50, 400);
  await story.advance(2_000);
  story.move('beta', '10.0.0.3', 5_000);
  story.universe.moveTo(story.machine('gamma'), ['10.0.0.2'], 5_000);
  // Every message that is written to a machine it is not for, and every arrival there, fails the story.
  await story.arrival('alpha', 'beta', 405, 90_000);
  await story.arrival('alpha', 'gamma', 400, 90_000);
  await story.end();
});
