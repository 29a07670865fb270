import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Connection } from '../../src/io/network.ts';
import { LinkFailure } from '../../src/transfer/links/link-failure.ts';
import { type OpenLinkOptions, openLink } from '../../src/transfer/links/open-link.ts';
import { encodeFrame } from '../../src/transfer/wire/encode-frame.ts';
import type { Frame } from '../../src/transfer/wire/frames.ts';
import { makeTlsMaterial } from '../simulator/simulated-tls.ts';
import { acceptAt, dial, dialOptions, type TwoMachines, twoMachines } from '../support/two-machines.ts';

/** Why alpha does not get to beta; fails when it does. */
async function failure(story: TwoMachines, changes: Partial<OpenLinkOptions> = {}): Promise<LinkFailure> {
  try {
    await dial(story, story.alpha, story.beta, changes);
  } catch (error) {
    assert.ok(error instanceof LinkFailure, String(error));
    return error;
  }
  assert.fail('a link was made');
}

/** Somebody at beta's address who is not Posthorn, or not as it should be. */
async function impostor({ world, beta }: TwoMachines, answer: (connection: Connection) => void) {
  const heard: string[] = [];
  await world.settle(
    'listening',
    1_000,
    beta.network.listen(
      { address: '::', port: 1801 },
      {
        accept: (connection) => {
          connection.listen({
            onBytes: (bytes) => heard.push(Buffer.from(bytes).toString('latin1')),
            onClosed: () => undefined,
          });
          answer(connection);
        },
        refused: () => undefined,
        failed: () => undefined,
      },
    ),
  );
  return heard;
}

describe('dialling', () => {
  test('both ends learn who the other is, and frames go both ways', async () => {
    const story = twoMachines();
    const { links, accepted } = await acceptAt(story, story.beta);
    const near = await dial(story, story.alpha, story.beta);
    await story.world.advance(5);
    const [far] = links;
    assert.ok(far);
    assert.deepEqual([near.link.role, near.link.peer.machine, near.link.remoteAddress], ['dialer', 'beta', '10.0.0.2']);
    assert.deepEqual([far.link.role, far.link.peer.machine, far.link.remoteAddress], ['acceptor', 'alpha', '10.0.0.1']);
    assert.equal(far.link.peer.instanceId, story.alpha.self.instanceId);
    assert.equal(accepted[0]?.hello.purpose, 'transfer');
    near.link.send({
      type: 'attach',
      channel: 1,
      queue: 'billing',
      epoch: 'e',
      acked: 0,
      ackedDigest: '0000000000000000',
      formerEpochs: [],
    });
    far.link.send({ type: 'acked', channel: 1, seq: 7, refused: [] });
    await story.world.advance(5);
    assert.deepEqual([far.frames[0]?.type, near.frames[0]?.type], ['attach', 'acked']);
  });

  test('names of machines are the same in any case, and an alias answers by the name it was asked for', async () => {
    const story = twoMachines();
    await acceptAt(story, story.beta, { aliases: ['ledger'] });
    assert.equal((await dial(story, story.alpha, story.beta, { machine: 'BETA' })).link.peer.machine, 'beta');
    assert.equal((await dial(story, story.alpha, story.beta, { machine: 'Ledger' })).link.peer.machine, 'ledger');
  });

  test('fault 60: a machine that is not the wanted one says so, both sides can see it, and only HELLO was sent', async () => {
    const story = twoMachines();
    const { refused, links } = await acceptAt(story, story.beta);
    const { reason, claimedMachine, text } = await failure(story, { machine: 'gamma', name: 'gamma.example' });
    assert.deepEqual([reason, claimedMachine], ['WRONG_HOST', 'beta']);
    assert.match(text, /gamma\.example \(10\.0\.0\.2:1801\).*'alpha' wants 'gamma', and this is 'beta'/);
    assert.deepEqual(links, []);
    assert.deepEqual(
      refused.map(({ code, claimedMachine, remoteAddress }) => [code, claimedMachine, remoteAddress]),
      [['WRONG_HOST', 'alpha', '10.0.0.1']],
    );
  });

  test('fault 60: also when it welcomes everybody, nothing but HELLO was sent to it', async () => {
    const story = twoMachines();
    const heard = await impostor(story, (connection) =>
      connection.write(
        encodeFrame({
          type: 'welcome',
          protocol: 1,
          identity: { ...story.beta.self, machine: 'omega', wallMs: 0 },
        }),
      ),
    );
    const { reason, claimedMachine, text } = await failure(story);
    assert.deepEqual([reason, claimedMachine], ['WRONG_HOST', 'omega']);
    assert.match(text, /answered as 'omega', wanted is 'beta'/);
    await story.world.advance(2_000);
    assert.equal(heard.length, 1);
    assert.match(heard[0] ?? '', /"wanted":"beta"/);
  });

  test('fault 48: versions that do not meet are refused with both, and a range that holds ours is taken', async () => {
    const story = twoMachines();
    const { refused } = await acceptAt(story, story.beta);
    const answers = async (protocolMin: number, protocolMax: number): Promise<string> => {
      const connection = await story.world.settle(
        'connecting',
        5_000,
        story.alpha.network.connect({ address: '10.0.0.2', port: 1801, timeoutMs: 1_000 }),
      );
      let text = '';
      connection?.listen({ onBytes: (bytes) => (text += Buffer.from(bytes).toString()), onClosed: () => undefined });
      const hello: Frame = {
        type: 'hello',
        protocolMin,
        protocolMax,
        purpose: 'transfer',
        wanted: 'beta',
        identity: { ...story.alpha.self, version: '9.0.0', wallMs: 0 },
      };
      connection?.write(encodeFrame(hello));
      await story.world.advance(100);
      return text;
    };
    assert.match(await answers(2, 3), /"code":"VERSION".*0\.1\.0.*protocol 1.*9\.0\.0.*speaks 2 to 3/);
    assert.match(await answers(1, 3), /"protocol":1/);
    assert.equal(refused[0]?.code, 'VERSION');
  });

  test('fault 48: a peer that chooses a version we do not speak is not talked to', async () => {
    const story = twoMachines();
    await impostor(story, (connection) =>
      connection.write(
        encodeFrame({ type: 'welcome', protocol: 2, identity: { ...story.beta.self, version: '9.0.0', wallMs: 0 } }),
      ),
    );
    const { reason, text } = await failure(story);
    assert.equal(reason, 'VERSION');
    assert.match(text, /Posthorn 9\.0\.0\) chose protocol 2, this machine speaks 1/);
  });

  test('something that is not Posthorn is named by how it begins', async () => {
    const story = twoMachines();
    await impostor(story, (connection) => connection.write(Buffer.from('HTTP/1.1 400 Bad Request\r\n')));
    const { reason, text } = await failure(story);
    assert.equal(reason, 'NOT_POSTHORN');
    assert.match(text, /beta\.example \(10\.0\.0\.2:1801\) is not Posthorn: it began with 'HTTP\/1\.1 400 B/);
  });

  test('somebody who takes the connection and says nothing is given up after 5 s', async () => {
    const story = twoMachines();
    await impostor(story, () => undefined);
    const startMs = story.world.nowMs;
    assert.equal((await failure(story)).reason, 'HANDSHAKE_TIMEOUT');
    assert.ok(story.world.nowMs - startMs >= 5_000 && story.world.nowMs - startMs < 5_100);
  });

  test('somebody who closes without an answer is told from one that breaks', async () => {
    const story = twoMachines();
    await impostor(story, (connection) => connection.end());
    assert.match((await failure(story)).text, /closed it without an answer/);
  });

  test('nobody there, no way there and silence have their own reasons', async () => {
    const story = twoMachines();
    assert.equal((await failure(story)).reason, 'CONNECT_REFUSED');
    assert.equal((await failure(story, { address: '10.9.9.9' })).reason, 'CONNECT_TIMEOUT');
    assert.equal((await failure(story, { address: '2001:db8::1' })).reason, 'UNREACHABLE');
  });

  test('plain text beyond loopback needs leave, and without it not a packet goes', async () => {
    const story = twoMachines();
    const { refused, links } = await acceptAt(story, story.beta);
    const { reason, text } = await failure(story, { allowPlaintext: false });
    assert.equal(reason, 'PLAINTEXT_NOT_ALLOWED');
    assert.match(text, /beta\.example \(10\.0\.0\.2:1801\) was not dialled/);
    await story.world.advance(6_000);
    assert.deepEqual([refused, links, story.internet.connections.size], [[], [], 0]);
    const own = await dial(story, story.beta, story.beta, { address: '127.0.0.1', allowPlaintext: false });
    assert.equal(own.link.peer.machine, 'beta');
  });

  test('who gives up is answered at once, also in the middle of the handshake', async () => {
    const story = twoMachines();
    await impostor(story, () => undefined);
    const giveUp = new AbortController();
    const dialled = openLink(dialOptions(story.alpha, story.beta, { signal: giveUp.signal }));
    const answer = dialled.catch((error: unknown) => error);
    await story.world.advance(1_000);
    giveUp.abort();
    const error = await story.world.settle('giving up', 10, answer);
    assert.equal(error instanceof LinkFailure && error.reason, 'SHUTDOWN');
    await story.world.advance(10);
    assert.ok([...story.internet.connections].every(({ isClosed }) => isClosed));
  });
});

describe('certificates', () => {
  const alphaTls = makeTlsMaterial({ names: ['Alpha', 'alpha.example'] });
  const betaTls = makeTlsMaterial({ names: ['beta'] });

  test('names in certificates are the machines, in any case', async () => {
    const story = twoMachines();
    const { links } = await acceptAt(story, story.beta, { tls: betaTls });
    const near = await dial(story, story.alpha, story.beta, { tls: alphaTls, allowPlaintext: false });
    await story.world.advance(5);
    assert.deepEqual([near.link.isEncrypted, links[0]?.link.isEncrypted], [true, true]);
  });

  test('a certificate of another machine is refused by the dialer, whatever its owner says', async () => {
    const story = twoMachines();
    await acceptAt(story, story.beta, { tls: makeTlsMaterial({ names: ['gamma'] }) });
    const { reason, claimedMachine, text } = await failure(story, { tls: alphaTls });
    assert.deepEqual([reason, claimedMachine], ['CERTIFICATE_OF_ANOTHER_MACHINE', 'gamma']);
    assert.match(text, /says it is 'beta', but its certificate is of 'gamma'/);
  });

  test('a certificate of another machine is refused by the acceptor, and both sides can see why', async () => {
    const story = twoMachines();
    const { refused, links } = await acceptAt(story, story.beta, { tls: betaTls });
    const { reason, text } = await failure(story, { tls: makeTlsMaterial({ names: ['mallory'] }) });
    assert.equal(reason, 'CERTIFICATE_REFUSED');
    assert.match(text, /says it is 'alpha', but its certificate is of 'mallory'/);
    assert.deepEqual([refused[0]?.code, refused[0]?.claimedMachine], ['WRONG_CERTIFICATE', 'alpha']);
    assert.deepEqual(links, []);
  });

  test('an expired certificate, an unknown authority and no TLS keep their reasons', async () => {
    const story = twoMachines();
    await acceptAt(story, story.beta, { tls: makeTlsMaterial({ names: ['beta'], toMs: 1 }) });
    assert.equal((await failure(story, { tls: alphaTls })).reason, 'CERTIFICATE_EXPIRED');
    const other = twoMachines();
    await acceptAt(other, other.beta, { tls: makeTlsMaterial({ names: ['beta'], authority: 'elsewhere' }) });
    assert.equal((await failure(other, { tls: alphaTls })).reason, 'CERTIFICATE_UNTRUSTED');
    const plain = twoMachines();
    await acceptAt(plain, plain.beta);
    assert.equal((await failure(plain, { tls: alphaTls })).reason, 'NO_TLS');
  });
});

describe('accepting', () => {
  const strangerAt = async (story: TwoMachines) => {
    const connection = await story.world.settle(
      'connecting',
      5_000,
      story.alpha.network.connect({ address: '10.0.0.2', port: 1801, timeoutMs: 1_000 }),
    );
    assert.ok(connection);
    const stranger = { connection, text: '', isClosed: false };
    connection.listen({
      onBytes: (bytes) => {
        stranger.text += Buffer.from(bytes).toString();
      },
      onClosed: () => {
        stranger.isClosed = true;
      },
    });
    return stranger;
  };

  test('who says nothing, or not enough, is let go after 5 s, told and recorded', async () => {
    const story = twoMachines();
    const { refused } = await acceptAt(story, story.beta);
    const mute = await strangerAt(story);
    const slow = await strangerAt(story);
    slow.connection.write(Buffer.from([0, 0, 1]));
    await story.world.advance(4_900);
    assert.deepEqual([refused, mute.isClosed, slow.isClosed], [[], false, false]);
    await story.world.advance(200);
    assert.deepEqual(
      refused.map(({ code, text }) => [code, /said (.*) within/.exec(text)?.[1]]),
      [
        ['HANDSHAKE_TIMEOUT', 'nothing'],
        ['HANDSHAKE_TIMEOUT', 'no whole HELLO'],
      ],
    );
    await story.world.advance(1_100);
    assert.deepEqual([mute.isClosed, slow.isClosed], [true, true]);
    assert.match(mute.text, /HANDSHAKE_TIMEOUT/);
  });

  test('what is no HELLO is refused with how it began', async () => {
    const story = twoMachines();
    const { refused } = await acceptAt(story, story.beta);
    for (const bytes of [
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      encodeFrame({ type: 'ping', id: 1 }),
      Buffer.from([0, 1, 0, 2, 1]),
    ]) {
      const stranger = await strangerAt(story);
      stranger.connection.write(bytes);
      await story.world.advance(100);
      assert.match(stranger.text, /"code":"MALFORMED"/);
      assert.equal(stranger.isClosed, true);
    }
    assert.deepEqual(
      refused.map(({ code, claimedMachine }) => [code, claimedMachine]),
      Array(3).fill(['MALFORMED', undefined]),
    );
    assert.match(refused[0]?.text ?? '', /10\.0\.0\.1:\d+: .*began with 'GET \/ HTTP\/1\.1\.\.'/);
    assert.match(refused[1]?.text ?? '', /PING is not awaited/);
    assert.match(refused[2]?.text ?? '', /announces 65538 bytes, 1 to 65537/);
  });

  test('a stranger who reads nothing and never closes is cut a second after the refusal', async () => {
    const story = twoMachines();
    await acceptAt(story, story.beta);
    const stranger = await strangerAt(story);
    stranger.connection.pause();
    stranger.connection.write(Buffer.from('GET / HTTP/1.1\r\n\r\n'));
    await story.world.advance(1_500);
    assert.ok(![...story.internet.connections].some(({ host, isClosed }) => host === story.beta.host && !isClosed));
  });

  test('a listener that goes tells those who are not in yet', async () => {
    const story = twoMachines();
    const going = new AbortController();
    await acceptAt(story, story.beta, { signal: going.signal, admit: () => new Promise(() => undefined) });
    const mute = await strangerAt(story);
    going.abort();
    await story.world.advance(100);
    assert.match(mute.text, /SHUTTING_DOWN/);
    assert.equal((await failure(story)).reason, 'PEER_SHUTTING_DOWN');
  });

  test('what admission says is what the dialer hears', async () => {
    const story = twoMachines();
    const { refused } = await acceptAt(story, story.beta, {
      admit: () => Promise.resolve({ code: 'DUPLICATE_STORE', text: 'there is another.' }),
    });
    const { reason, text } = await failure(story);
    assert.equal(reason, 'DUPLICATE_STORE');
    assert.match(text, /there is another/);
    assert.equal(refused[0]?.code, 'DUPLICATE_STORE');
  });

  test('fault 23: a connection that is reset at any byte of the handshake leaves nothing behind at either end', async () => {
    for (let cut = 0; cut < 400; cut++) {
      const story = twoMachines(cut + 1);
      const { links, refused } = await acceptAt(story, story.beta);
      const dialled = openLink(dialOptions(story.alpha, story.beta)).then(
        (link) => link,
        (error: unknown) => error,
      );
      await story.world.run(story.world.nowMs + 1_000, () => story.internet.connections.size === 2);
      for (const connection of story.internet.connections) connection.resetAfterBytes = cut;
      const outcome = await story.world.settle('dialling', 10_000, dialled);
      if (outcome instanceof LinkFailure) assert.equal(outcome.reason, 'RESET', `cut at ${cut}: ${outcome.text}`);
      await story.world.advance(8_000);
      assert.deepEqual(refused, [], 'a broken line is nobody who was refused');
      for (const { link, end } of links) assert.equal(link.isOpen, end === undefined);
    }
  });
});
