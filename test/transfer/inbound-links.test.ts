import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TlsMaterial } from '../../src/io/network.ts';
import { InboundLinks } from '../../src/transfer/links/inbound-links.ts';
import { LinkFailure } from '../../src/transfer/links/link-failure.ts';
import { openLink } from '../../src/transfer/links/open-link.ts';
import { makeTlsMaterial } from '../simulator/simulated-tls.ts';
import {
  acceptAt,
  dial,
  dialOptions,
  type HeardLink,
  type LinkMachine,
  type TwoMachines,
  twoMachines,
} from '../support/two-machines.ts';

/** beta takes links as its listener does. */
async function setup(tls?: { readonly alpha: TlsMaterial; readonly beta: TlsMaterial }) {
  const story = twoMachines();
  const links = new InboundLinks(story.beta.process.io.timers);
  const taken = await acceptAt(story, story.beta, {
    admit: (hello) => links.admit(hello),
    aliases: ['ledger'],
    ...(tls && { tls: tls.beta }),
  });
  /** Dials, and has the inbound links know of it. */
  const join = async (from: LinkMachine, machine = 'beta'): Promise<{ near: HeardLink; far: HeardLink }> => {
    const near = await dial(story, from, story.beta, { machine, ...(tls && { tls: tls.alpha }) });
    await story.world.advance(1);
    const far = taken.links.at(-1);
    const accepted = taken.accepted.at(-1);
    assert.ok(far && accepted);
    links.add(accepted);
    return { near, far };
  };
  /** Another process with the store of alpha, on a host of its own. */
  const twin = (): LinkMachine => {
    const machine = story.machine('alpha', '10.0.0.9', 2);
    return { ...machine, self: { ...story.alpha.self, instanceId: machine.self.instanceId } };
  };
  return { story, links, join, twin, refused: taken.refused };
}

const refusalOf = (joined: Promise<unknown>) =>
  joined.then(
    () => assert.fail('it was let in'),
    (error: unknown) => {
      assert.ok(error instanceof LinkFailure, String(error));
      return error;
    },
  );

const powerOff = ({ alpha }: TwoMachines) => {
  alpha.host.powerOff();
  alpha.process.die();
};

describe('inbound links', () => {
  test('fault 39: a newer link of the same process replaces the older, which is told', async () => {
    const { story, links, join } = await setup();
    const first = await join(story.alpha);
    const second = await join(story.alpha);
    await story.world.advance(100);
    assert.equal(first.near.end?.code, 'REPLACED');
    links.remove(first.far.link);
    assert.deepEqual(links.links, [second.far.link]);
    assert.equal(second.near.link.isOpen, true);
  });

  test('a machine that is dialled by two names has two links of one store, and neither pushes out the other', async () => {
    const { story, links, join } = await setup();
    const one = await join(story.alpha, 'beta');
    const other = await join(story.alpha, 'ledger');
    await story.world.advance(100);
    assert.deepEqual([one.near.link.isOpen, other.near.link.isOpen, links.links.length], [true, true, 2]);
  });

  test('who has one certificate has at most 16 links, whatever stores it speaks of', async () => {
    const tls = { alpha: makeTlsMaterial({ names: ['alpha'] }), beta: makeTlsMaterial({ names: ['beta'] }) };
    const { story, links, join, refused } = await setup(tls);
    const withStore = (storeId: string): LinkMachine => ({ ...story.alpha, self: { ...story.alpha.self, storeId } });
    for (let store = 1; store <= 16; store++) await join(withStore(`store-${store}`));
    const { reason, text } = await refusalOf(join(withStore('store-17')));
    assert.equal(reason, 'TOO_MANY_CONNECTIONS');
    assert.match(text, /'alpha' has 16 links here already/);
    assert.deepEqual([refused[0]?.code, refused[0]?.claimedMachine], ['TOO_MANY_CONNECTIONS', 'alpha']);
    await join(withStore('store-3'));
    await story.world.advance(2_000);
    assert.equal(links.links.filter(({ isOpen }) => isOpen).length, 16, 'a known store still replaces its link');
  });

  test('two living processes with one store: the second is refused, and both sides can see it', async () => {
    const { story, join, twin, refused } = await setup();
    const first = await join(story.alpha);
    const { reason, text } = await refusalOf(join(twin()));
    assert.equal(reason, 'DUPLICATE_STORE');
    assert.match(text, /'alpha' is connected from 10\.0\.0\.1 by another process that lives/);
    assert.deepEqual([refused[0]?.code, refused[0]?.remoteAddress], ['DUPLICATE_STORE', '10.0.0.9']);
    assert.equal(first.near.link.isOpen, true);
  });

  test('fault 31: the successor of a process that died without a word is in after 2 s', async () => {
    const { story, links, join, twin } = await setup();
    const first = await join(story.alpha);
    powerOff(story);
    const startMs = story.world.nowMs;
    const second = await join(twin());
    assert.ok(story.world.nowMs - startMs < 2_100, `${story.world.nowMs - startMs} ms`);
    await story.world.advance(1_100);
    assert.equal(first.far.end?.code, 'REPLACED');
    links.remove(first.far.link);
    assert.deepEqual(links.links, [second.far.link]);
  });

  test('a successor whose predecessor is closed while it is asked comes in at once', async () => {
    const { story, links, join, twin } = await setup();
    const first = await join(story.alpha);
    story.internet.way(story.beta.host, story.alpha.host).isBlocked = true;
    const startMs = story.world.nowMs;
    const dialled = openLink(dialOptions(twin(), story.beta));
    await story.world.advance(500);
    first.far.link.close('OPERATOR', 'test');
    links.remove(first.far.link);
    await story.world.settle('dialling', 1_000, dialled);
    assert.ok(story.world.nowMs - startMs < 600, `${story.world.nowMs - startMs} ms`);
  });

  test('closing tells every peer, and ends when all are closed', async () => {
    const { story, links, join } = await setup();
    const { near, far } = await join(story.alpha);
    const closing = links.close('beta is shutting down.').then(() => true);
    await story.world.advance(50);
    assert.deepEqual([near.end?.code, near.end?.text], ['SHUTTING_DOWN', 'beta is shutting down.']);
    links.remove(far.link);
    assert.equal(await story.world.settle('closing', 10, closing), true);
    await links.close('Twice is harmless.');
  });
});
