import { networkInterfaces } from 'node:os';
import { shownAddress } from './ip-address.ts';
import type { Network } from './network.ts';
import { connectByNode } from './node-connect.ts';
import { listenByNode } from './node-listen.ts';

/** The real doors to other machines: TCP and TLS of Node.js. Holds no state. */
export function nodeNetwork(options: NodeNetworkOptions = {}): Network {
  const { handshakeTimeoutMs = HANDSHAKE_TIMEOUT_MS } = options;
  return {
    connect: connectByNode,
    listen: (target, handlers) => listenByNode(target, handlers, handshakeTimeoutMs),
    interfaceAddresses: () =>
      Object.values(networkInterfaces()).flatMap((entries = []) => entries.map(({ address }) => shownAddress(address))),
  };
}

export interface NodeNetworkOptions {
  /** How long somebody who connects may take until TLS is done. */
  readonly handshakeTimeoutMs?: number;
}

const HANDSHAKE_TIMEOUT_MS = 5000;
