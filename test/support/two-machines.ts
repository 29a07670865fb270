import assert from 'node:assert/strict';
import type { TlsMaterial } from '../../src/io/network.ts';
import type { RefusedConnection } from '../../src/transfer/incoming-status.ts';
import { type AcceptedLink, type AcceptLinkOptions, acceptLink } from '../../src/transfer/links/accept-link.ts';
import type { Link, LinkEnd } from '../../src/transfer/links/link.ts';
import { type OpenLinkOptions, openLink, type Self } from '../../src/transfer/links/open-link.ts';
import type { Data, Frame } from '../../src/transfer/wire/frames.ts';
import { Internet } from '../simulator/internet.ts';
import { SimulatedHost } from '../simulator/simulated-host.ts';
import { SimulatedNetwork } from '../simulator/simulated-network.ts';
import { SimulatedProcess } from '../simulator/simulated-process.ts';
import { World } from '../simulator/world.ts';

/** A machine of a world, as far as links go. */
export interface LinkMachine {
  readonly name: string;
  readonly address: string;
  readonly host: SimulatedHost;
  readonly process: SimulatedProcess;
  readonly network: SimulatedNetwork;
  readonly self: Self;
}

/** alpha (10.0.0.1) and beta (10.0.0.2) on one simulated network. */
export function twoMachines(seed = 1) {
  const world = new World({ seed });
  const internet = new Internet(world);
  internet.manners.cutRate = 0;
  const machine = (name: string, address: string, instance = 1): LinkMachine => {
    const host = new SimulatedHost(world, `${name}-${instance}`);
    host.addresses.add(address);
    internet.addHost(host);
    const process = new SimulatedProcess(world, { machine: name, name, clock: host.clock });
    const self = {
      machine: name,
      storeId: `store-of-${name}`,
      instanceId: `instance-${instance}-of-${name}`,
      version: '0.1.0',
      bodyBytesMax: 1_000_000,
    };
    return { name, address, host, process, network: new SimulatedNetwork(internet, host, process), self };
  };
  return { world, internet, machine, alpha: machine('alpha', '10.0.0.1'), beta: machine('beta', '10.0.0.2') };
}

export type TwoMachines = ReturnType<typeof twoMachines>;

/** What arrives on a link, and how it ends. */
export class HeardLink {
  readonly link: Link;
  readonly frames: Frame[] = [];
  silent = 0;
  drained = 0;
  end: LinkEnd | undefined;
  onFrame: (frame: Frame) => void = () => undefined;

  constructor(link: Link) {
    this.link = link;
    link.listen({
      frame: (frame) => {
        this.frames.push(frame);
        this.onFrame(frame);
      },
      drained: () => this.drained++,
      silent: () => this.silent++,
      closed: (end) => {
        assert.equal(this.end, undefined, 'the end is told once');
        this.end = end;
      },
    });
  }
}

/** Listens at port 1801 and takes links as `acceptLink` does. */
export async function acceptAt(
  { world }: TwoMachines,
  machine: LinkMachine,
  options: { readonly tls?: TlsMaterial } & Partial<AcceptLinkOptions> = {},
) {
  const links: HeardLink[] = [];
  const accepted: AcceptedLink[] = [];
  const refused: RefusedConnection[] = [];
  const { tls, ...others } = options;
  await world.settle(
    'listening',
    1_000,
    machine.network.listen(
      { address: '::', port: 1801, tls },
      {
        accept: (connection) => {
          const outcome = acceptLink(connection, {
            clock: machine.process.io.clock,
            timers: machine.process.io.timers,
            self: machine.self,
            aliases: [],
            enter: () => () => undefined,
            admit: () => Promise.resolve(undefined),
            refused: (refusal) => refused.push(refusal),
            ...others,
          });
          void outcome.then((taken) => {
            if (taken === undefined) return;
            accepted.push(taken);
            links.push(new HeardLink(taken.link));
          });
        },
        refused: ({ remoteAddress, failure }) =>
          refused.push({
            atMs: 0,
            remoteAddress,
            claimedMachine: undefined,
            code: failure.code,
            text: failure.message,
          }),
        failed: (failure) => assert.fail(failure.message),
      },
    ),
  );
  return { links, accepted, refused };
}

export function dialOptions(
  from: LinkMachine,
  to: LinkMachine,
  changes: Partial<OpenLinkOptions> = {},
): OpenLinkOptions {
  return {
    network: from.network,
    clock: from.process.io.clock,
    timers: from.process.io.timers,
    self: from.self,
    machine: to.name,
    name: `${to.name}.example`,
    address: to.address,
    port: 1801,
    purpose: 'transfer',
    tls: undefined,
    allowPlaintext: true,
    connectTimeoutMs: 5_000,
    ...changes,
  };
}

/** Dials as `openLink` does; virtual time runs until it has settled. */
export async function dial(
  { world }: TwoMachines,
  from: LinkMachine,
  to: LinkMachine,
  changes: Partial<OpenLinkOptions> = {},
): Promise<HeardLink> {
  const heard = await world.settle(
    'dialling',
    30_000,
    openLink(dialOptions(from, to, changes)).then((link) => new HeardLink(link)),
  );
  assert.ok(heard, world.failure?.text);
  return heard;
}

/** Both ends of a link from alpha to beta. */
export async function linked(story: TwoMachines) {
  const { links } = await acceptAt(story, story.beta);
  const near = await dial(story, story.alpha, story.beta);
  await story.world.advance(5);
  const far = links[0];
  assert.ok(far);
  return { near, far };
}

/** A DATA frame of messages that say nothing. */
export function dataFrame(firstSeq: number, bodyBytes: number, messages = 1): Data {
  const message = {
    headers: new Uint8Array(10),
    body: new Uint8Array(bodyBytes),
    priority: 3,
    timeToBeReceivedMs: undefined,
    isPossibleDuplicate: false,
  };
  return { type: 'data', channel: 1, firstSeq, acked: 0, messages: Array.from({ length: messages }, () => message) };
}

/** Nothing gets through any more, one way or both. */
export function cut({ internet, alpha, beta }: TwoMachines, way: 'both' | 'there' | 'back'): void {
  if (way !== 'back') internet.way(alpha.host, beta.host).isBlocked = true;
  if (way !== 'there') internet.way(beta.host, alpha.host).isBlocked = true;
}

/** Runs until the link has ended; how long that took. */
export async function endOf({ world }: TwoMachines, heard: HeardLink, withinMs = 60_000): Promise<number> {
  const startMs = world.nowMs;
  await world.run(startMs + withinMs, () => heard.end !== undefined);
  return world.nowMs - startMs;
}
