import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { requireCapability } from '../support/capabilities.ts';
import { jsonLines, startProgram } from '../support/command-line.ts';
import { LoopbackMachines } from '../support/loopback-machines.ts';

describe('when operators look at machines', { concurrency: 2 }, () => {
  test('a queue for a machine that is down says why, is an alarm, and goes as soon as the machine is up', async () => {
    await using machines = new LoopbackMachines();
    await machines.start('alpha');
    machines.prepare('beta');
    await machines.posthorn('alpha', 'send', 'billing@beta', '--body', '{}');
    await machines.posthorn('alpha', 'send', 'orders@beta', '--body', '{}');
    await machines.untilShown('WAITING CONNECT_REFUSED', 'alpha', 'outgoing', 'billing@beta');

    const list = await machines.posthorn('alpha', 'outgoing', '--alarm-after', '1ms');
    assert.equal(list.exitCode, 1);
    assert.match(list.stdout, /^billing@beta +WAITING +nothing listens +127\.\S+:21801 +1 +0 /m);
    assert.match(list.stdout, /^orders@beta /m);
    assert.match(list.stdout, /Start the queue manager of beta/);
    assert.equal((await machines.posthorn('alpha', 'outgoing', '--alarm-after', '1d')).exitCode, 0);

    const story = await machines.posthorn('alpha', 'outgoing', 'billing@beta');
    for (const part of [/^State +WAITING, CONNECT_REFUSED$/m, /^Next hop +beta, 127\.\S+, port 21801$/m]) {
      assert.match(story.stdout, part);
    }
    assert.match(story.stdout, /Last attempts\n.*OUTCOME.*\n.*CONNECT_REFUSED/);

    const beta = await machines.start('beta');
    for (const queue of ['billing', 'orders']) await beta.declareQueue(queue);
    assert.equal((await machines.posthorn('alpha', 'outgoing', 'retry', 'beta')).exitCode, 0);
    await machines.untilShown('CONNECTED  0 waiting', 'alpha', 'outgoing', 'billing@beta');
    await machines.untilShown('0 waiting', 'alpha', 'outgoing', 'orders@beta');
    const [billing, orders] = jsonLines((await machines.posthorn('alpha', 'outgoing', '--json')).stdout);
    assert.deepEqual([billing?.queue, billing?.state, billing?.messages], ['billing@beta', 'CONNECTED', 0]);
    assert.deepEqual([orders?.queue, orders?.acknowledged], ['orders@beta', 1]);
    const incoming = await machines.posthorn('beta', 'incoming');
    assert.equal(incoming.exitCode, 0);
    assert.match(incoming.stdout, /^127\.\S+ +21801 +LISTENING +no /m);
    assert.match(incoming.stdout, /^alpha +127\.\S+ .*billing, orders|orders, billing/m);
  });

  test('a refusal is seen on both sides, each in its own words', async () => {
    await using machines = new LoopbackMachines();
    await machines.start('alpha');
    const beta = await machines.start('beta');
    await beta.declareQueue('billing');
    // The name leads to another machine than the one it names.
    machines.pointName('gamma', machines.addressOf('beta'));
    await machines.posthorn('alpha', 'send', 'billing@gamma', '--body', '{}');
    await machines.untilShown('REFUSED WRONG_HOST', 'alpha', 'outgoing', 'billing@gamma');
    const sender = await machines.posthorn('alpha', 'outgoing');
    assert.equal(sender.exitCode, 1, 'a refusal rings at once');
    assert.match(sender.stdout, /beta/);
    const receiver = await machines.posthorn('beta', 'incoming');
    assert.match(receiver.stdout, /says it is alpha: WRONG_HOST\n.*gamma/);
    assert.equal(beta.status().find(({ queue }) => queue === 'billing')?.messages, 0, 'nothing reached it');
    const looked = await machines.posthorn('alpha', 'ping', 'gamma');
    assert.equal(looked.exitCode, 1);
    assert.match(looked.stdout, /FAILED {2}who .*beta/);
    assert.match(looked.stdout, /alpha to gamma fails: WRONG_HOST\./);
  });

  test('a queue that is held stands still, also over a restart, until it is released', async () => {
    await using machines = new LoopbackMachines();
    const beta = await machines.start('beta');
    await beta.declareQueue('billing');
    await machines.start('alpha');
    await machines.posthorn('alpha', 'send', 'billing@beta', '--body', '{}');
    await machines.untilShown('CONNECTED  0 waiting', 'alpha', 'outgoing', 'billing@beta');
    const held = await machines.posthorn('alpha', 'outgoing', 'hold', 'beta');
    assert.match(held.stdout, /^'billing@beta' is held: ON_HOLD\./);
    await machines.posthorn('alpha', 'send', 'billing@beta', '--body', '{}');
    await machines.stop('alpha');
    const stopped = await machines.posthorn('alpha', 'outgoing');
    assert.match(stopped.stdout, /^State +ON_HOLD, OPERATOR$/m);
    await machines.start('alpha');
    await machines.untilShown('ON_HOLD OPERATOR  1 waiting', 'alpha', 'outgoing', 'billing@beta');
    assert.equal((await machines.posthorn('alpha', 'outgoing', '--alarm-after', '1ms')).exitCode, 0);
    const released = await machines.posthorn('alpha', 'outgoing', 'release', 'billing@BETA', '--json');
    assert.notEqual(jsonLines(released.stdout)[0]?.state, 'ON_HOLD');
    await machines.untilShown('CONNECTED  0 waiting', 'alpha', 'outgoing', 'billing@beta');
    assert.equal(beta.status().find(({ queue }) => queue === 'billing')?.messages, 2);
  });

  test('a watch writes a line for each change where nobody looks, and Control-C ends it well', async () => {
    await using machines = new LoopbackMachines();
    await machines.start('alpha');
    machines.prepare('beta');
    await machines.posthorn('alpha', 'send', 'billing@beta', '--body', '{}');
    const outgoing = machines.startPosthorn('alpha', 'outgoing', '--watch', '--json');
    await outgoing.says('"state":"WAITING"');
    const beta = await machines.start('beta');
    const incoming = machines.startPosthorn('beta', 'incoming', '--watch');
    await incoming.says('LISTENING');
    await beta.declareQueue('billing');
    await outgoing.says('"state":"CONNECTED"');
    await incoming.says('alpha is connected from 127.');
    await machines.stop('alpha');
    await incoming.says('alpha was connected from 127.');
    const [sender, receiver] = await Promise.all([outgoing.kill('SIGINT'), incoming.kill('SIGINT')]);
    assert.deepEqual([sender.exitCode, receiver.exitCode], [0, 0], sender.stderr + receiver.stderr);
    const states = jsonLines(sender.stdout).map(({ state }) => state);
    assert.ok(states.indexOf('CONNECTED') > states.indexOf('WAITING'), states.join());
  });

  test('a watch on a terminal gives the terminal back as it was', async (t) => {
    if (!requireCapability(t, 'terminal', () => missingScript())) return;
    await using machines = new LoopbackMachines();
    await machines.start('alpha');
    await machines.posthorn('alpha', 'send', 'billing@beta', '--body', '{}');
    const command = `trap : INT; stty rows 20 cols 80; "${process.execPath}" --conditions=posthorn-source bin/posthorn.js outgoing --watch --directory "${machines.directory('alpha')}"; echo "ended with $?"; stty -a`;
    const terminal = startProgram('script', ['-qec', command, '/dev/null']);
    await terminal.says('Control-C ends it');
    assert.ok(terminal.stdout.includes(ENTER_SCREEN));
    terminal.process.stdin?.write('\u0003');
    await terminal.says('ended with 0');
    terminal.process.stdin?.end();
    const { stdout } = await terminal.ended;
    const afterwards = stdout.slice(stdout.lastIndexOf(ENTER_SCREEN));
    assert.ok(afterwards.includes(LEAVE_SCREEN) && afterwards.indexOf(LEAVE_SCREEN) < afterwards.indexOf('ended with'));
    assert.match(stdout, / icanon\b[\s\S]* echo\b/, 'lines are edited and echoed as before');
  });

  test('what a queue refuses becomes a dead letter of the sender, which is returned when the cause is mended', async () => {
    await using machines = new LoopbackMachines();
    await machines.start('alpha');
    const beta = await machines.start('beta');
    const closed = await machines.posthorn('beta', 'queues', 'create', 'private', '--accept-from', 'none');
    assert.match(closed.stdout, /Queue 'private' is made: .*takes from no other machine/);
    assert.match((await machines.posthorn('alpha', 'dead-letter', 'return', 'all')).stdout, /No dead letters/);
    await machines.posthorn('alpha', 'send', 'private@beta', '--body', '{}', '--id', 'letter-1');
    await machines.untilShown('0 waiting', 'alpha', 'outgoing', 'private@beta');
    const list = await machines.posthorn('alpha', 'dead-letter', 'list', '--reason', 'access_denied');
    assert.match(list.stdout, /^letter-1 .*private@beta +NACK_ACCESS_DENIED/m);
    assert.match((await machines.posthorn('alpha', 'dead-letter', 'list', '--reason', 'bad_dst')).stdout, /that fit/);
    assert.equal((await machines.posthorn('alpha', 'dead-letter', 'return')).exitCode, 2, 'it says which, or asks');
    await machines.posthorn('beta', 'queues', 'create', 'private', '--accept-from', 'all');
    const returned = await machines.posthorn('alpha', 'dead-letter', 'return', 'all', '--from', 'private');
    assert.equal(returned.exitCode, 0, returned.stderr);
    assert.match(returned.stdout, /Returned 1 message from 'dead-letter' to the queue it was meant for/);
    await machines.untilShown('0 waiting', 'alpha', 'outgoing', 'private@beta');
    assert.equal(beta.status().find(({ queue }) => queue === 'private')?.messages, 1);
    assert.match((await machines.posthorn('alpha', 'dead-letter', 'return', '--list')).stdout, /finished +dead-letter/);
  });

  test('an outgoing queue that is not there names the nearest, and wrong words are wrong usage', async () => {
    await using machines = new LoopbackMachines();
    await machines.start('alpha');
    await machines.posthorn('alpha', 'send', 'billing@beta', '--body', '{}');
    const near = await machines.posthorn('alpha', 'outgoing', 'hold', 'biling@beta');
    assert.deepEqual([near.exitCode, near.stdout], [1, '']);
    assert.match(near.stderr, /Did you mean 'billing@beta'\?/);
    const wrong: readonly (readonly string[])[] = [
      ['outgoing', 'hold'],
      ['outgoing', '--alarm-after', 'soon'],
      ['outgoing', 'a b'],
      ['ping'],
      ['ping', 'a_b'],
      ['queues', 'create'],
      ['queues', 'create', 'x', '--quota-messages', 'many'],
      ['dead-letter', 'return', 'id-1', '--list'],
    ];
    for (const given of wrong) {
      const result = await machines.posthorn('alpha', ...given);
      assert.deepEqual([result.exitCode, result.stdout], [2, ''], `${given.join(' ')}: ${result.stderr}`);
    }
  });
});

const ENTER_SCREEN = '\u001b[?1049h';
const LEAVE_SCREEN = '\u001b[?1049l';

function missingScript(): string | undefined {
  const { status } = spawnSync('script', ['-qec', 'stty -a', '/dev/null']);
  return status === 0 ? undefined : "'script' and 'stty' make no terminal here";
}
