import type { Clock, Timers } from '../../io/io.ts';
import { addressWithPort, isLoopback } from '../../io/ip-address.ts';
import { NameFailure, type Names, type Network, type TlsMaterial } from '../../io/network.ts';
import { SELF_PROBE_ADDRESSES_MAX, SELF_PROBE_CONNECT_MS } from './limits.ts';
import { LinkFailure } from './link-failure.ts';
import { openLink, type Self } from './open-link.ts';

/**
 * Looks at this machine as another one would: its name is resolved, each address dialled, and whoever answers must be this
 * very process. When its name leads nowhere, its own address is dialled too, which tells a deaf listener from a name, a
 * route or a firewall that is wrong.
 *
 *     by name: somebody is me ──▶ heard      only others are there ──▶ elsewhere
 *              nobody there ──▶ by own address: me ──▶ cutOff      not me ──▶ deaf
 *              no such name, or one for loopback only ──▶ by own address: me ──▶ heard      not me ──▶ deaf
 */
export async function probeSelf(options: SelfProbeOptions): Promise<SelfProbeResult> {
  const { name } = options;
  const named = await addressesOf(options);
  if (typeof named === 'string') {
    const direct = await look(options, options.ownAddress);
    if (direct.kind === 'me') return { kind: 'heard', text: named };
    return { kind: 'deaf', text: `It does not answer itself: ${direct.text}` };
  }
  const sights = await Promise.all(named.map((address) => look(options, address)));
  const others = sights.filter(({ kind }) => kind === 'other').map(({ text }) => text);
  if (sights.some(({ kind }) => kind === 'me')) {
    const also = others.length === 0 ? '' : `; but also ${others.join(' ')}`;
    return { kind: 'heard', text: `It answers under its name '${name}'${also}.` };
  }
  if (others.length > 0)
    return { kind: 'elsewhere', text: `Its name '${name}' leads to another machine: ${others.join(' ')}` };
  const texts = sights.map(({ text }) => text).join(' ');
  const direct = await look(options, options.ownAddress);
  if (direct.kind === 'me') {
    return {
      kind: 'cutOff',
      text: `It answers at ${options.ownAddress}, but not under its name '${name}': ${texts}`,
    };
  }
  return { kind: 'deaf', text: `It does not answer itself: ${direct.text} Under its name '${name}': ${texts}` };
}

export interface SelfProbeOptions {
  readonly network: Network;
  readonly names: Names;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly self: Self;
  readonly tls: TlsMaterial | undefined;
  readonly allowPlaintext: boolean;
  /** What other machines are told, and where they go. */
  readonly name: string;
  readonly port: number;
  /** An address at which it listens, and its port there. */
  readonly ownAddress: string;
  readonly ownPort: number;
  /** It listens on one address that is not loopback's, so what the name means here may not be what it means elsewhere. */
  readonly isFixed: boolean;
  readonly signal: AbortSignal;
}

export interface SelfProbeResult {
  readonly kind: 'heard' | 'elsewhere' | 'cutOff' | 'deaf';
  readonly text: string;
}

interface Sight {
  readonly kind: 'me' | 'other' | 'nobody';
  readonly text: string;
}

/** A text: why the name cannot tell. */
async function addressesOf(options: SelfProbeOptions): Promise<readonly string[] | string> {
  const { names, name, isFixed } = options;
  try {
    const { addresses } = await names.resolve(name, SELF_PROBE_CONNECT_MS);
    const useful = isFixed ? addresses.filter((address) => !isLoopback(address)) : addresses;
    if (useful.length > 0) return useful.slice(0, SELF_PROBE_ADDRESSES_MAX);
    return `It answers; its name '${name}' means loopback here, so what it means to others cannot be told.`;
  } catch (error) {
    if (!(error instanceof NameFailure)) throw error;
    return `It answers; its own name '${name}' is not known here: ${error.message}`;
  }
}

async function look(options: SelfProbeOptions, address: string): Promise<Sight> {
  const { self, ownAddress, ownPort, port } = options;
  const dialledPort = address === ownAddress ? ownPort : port;
  const place = addressWithPort(address, dialledPort);
  try {
    const link = await openLink({
      ...options,
      machine: self.machine,
      address,
      port: dialledPort,
      purpose: 'probe',
      connectTimeoutMs: SELF_PROBE_CONNECT_MS,
    });
    const { peer } = link;
    link.listen({ frame: nothing, drained: nothing, silent: nothing, closed: nothing });
    link.close('DONE', 'That was all.');
    if (peer.instanceId === self.instanceId) return { kind: 'me', text: `${place} is this process.` };
    return { kind: 'other', text: `${place} is another process that calls itself '${peer.machine}'.` };
  } catch (error) {
    if (!(error instanceof LinkFailure)) throw error;
    return { kind: SOMEBODY_ELSE.has(error.reason) ? 'other' : 'nobody', text: error.text };
  }
}

const SOMEBODY_ELSE: ReadonlySet<string> = new Set([
  'WRONG_HOST',
  'NOT_POSTHORN',
  'CERTIFICATE_OF_ANOTHER_MACHINE',
  'NO_TLS',
  'TLS_REQUIRED',
]);

function nothing(): void {
  // The link is closed at once, so whatever comes is of no interest.
}
