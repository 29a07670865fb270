import { type AddressInfo, createServer, type Server } from 'node:net';
import { isSystemError } from './files.ts';
import { addressWithPort, ipAddress } from './ip-address.ts';
import { type ListenHandlers, type ListenTarget, NetworkFailure, type NetworkListener } from './network.ts';
import { listenFailure } from './network-failures.ts';
import { SOCKET_OPTIONS } from './node-connect.ts';
import { NodeConnection } from './node-connection.ts';
import { nodeIo } from './node-io.ts';
import { TlsGate } from './tls-gate.ts';

/**
 * Listens on one address and port. Without TLS a connection is handed over as it comes, with TLS it goes through the gate.
 *
 * When the process runs out of descriptors, Node's own library takes a connection with one that it keeps for that, and
 * closes it: nobody waits in vain, and the listener stays.
 */
export async function listenByNode(
  target: ListenTarget,
  handlers: ListenHandlers,
  handshakeTimeoutMs: number,
): Promise<NetworkListener> {
  const place = addressWithPort(target.address, target.port);
  if (ipAddress(target.address) === undefined)
    throw new NetworkFailure('OTHER', `Cannot listen on ${place}: '${target.address}' is no address.`);
  const gate = target.tls === undefined ? undefined : new TlsGate(target.tls, handlers, handshakeTimeoutMs);
  const server = createServer(SOCKET_OPTIONS, (socket) => {
    // It was gone before it was taken.
    if (socket.remoteAddress === undefined) socket.destroy();
    else if (gate === undefined) handlers.accept(new NodeConnection(socket, []));
    else gate.take(socket);
  });
  await startListening(server, target, place);
  server.on('error', (error) => {
    const failure = listenFailure(error, place);
    if (isSystemError(error, 'EMFILE', 'ENFILE')) handlers.refused({ remoteAddress: 'unknown', failure });
    else handlers.failed(failure);
  });
  server.unref();
  const { port } = server.address() as AddressInfo;
  return {
    address: target.address,
    port,
    replaceTls: (material) => gate?.replace(material),
    close: () => stopListening(server, gate),
  };
}

function startListening(server: Server, { address, port }: ListenTarget, place: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => reject(listenFailure(error, place));
    server.once('error', fail);
    // `ipv6Only: false` with `::` is every address of both families; exclusive: no sharing behind our back in a cluster.
    server.listen({ host: address, port, backlog: BACKLOG, ipv6Only: false, exclusive: true }, () => {
      server.off('error', fail);
      resolve();
    });
  });
}

/** Connections that the system takes before this process does (it may allow fewer): a flood must not cost others a second. */
const BACKLOG = 4096;

/** The port is free when this resolves; Node's own callback would wait for every connection that was accepted. */
function stopListening(server: Server, gate: TlsGate | undefined): Promise<void> {
  server.close();
  gate?.close();
  return new Promise((resolve) => nodeIo().timers.soon(resolve));
}
