import { resolve } from 'node:path';
import type { Io } from '../io/io.ts';
import type { Logger } from '../io/logger.ts';
import { nodeIo } from '../io/node-io.ts';
import { nodeNames } from '../io/node-names.ts';
import { nodeNetwork } from '../io/node-network.ts';
import { stderrLogger } from '../io/stderr-logger.ts';
import { QueueManager } from '../queues/queue-manager.ts';
import type { QueueManagerOptions } from '../queues/queue-manager-options.ts';
import { reachDirectory } from '../store/reach-directory.ts';
import { NETWORK_OPTION_NAMES, type NetworkOptions, readNetworkSettings } from '../transfer/network-options.ts';
import type { NetworkSettings } from '../transfer/network-settings.ts';
import { openTlsSource } from '../transfer/open-tls-source.ts';
import { Transfer } from '../transfer/transfer.ts';
import type { TransferOperations } from '../transfer/transfer-operations.ts';
import { ControlServer, controlSocketPath } from './control-server.ts';

/** How users open a queue manager: on its directory, and with its ways to other machines. */
export interface ServedQueueManagerOptions extends QueueManagerOptions, NetworkOptions {
  /** For what happens between machines, and with databases. Default: warnings and errors on standard error. */
  readonly logger?: Logger;
  /** `false`: exchanges nothing with other machines while it is open, for programs that only look. */
  readonly network?: false;
}

/**
 * Opens a queue manager with all that reaches it from outside: the traffic with other machines and its control socket, from
 * after the directory is owned until the queue manager closes. This is how everything outside tests opens one.
 *
 * A control socket that cannot be made is reported as a failure, and the queue manager works without: messages matter more.
 * So does a listener that cannot listen; it keeps trying, and `posthorn incoming` says why.
 *
 * @throws {PosthornError} STORE_UNREACHABLE, STORE_OWNED with the owner's pid, INVALID_OPTION, NETWORK_FILE_INVALID, KEYS_UNUSABLE,
 * and what else `QueueManager.open` says
 */
export async function openQueueManager(options: ServedQueueManagerOptions): Promise<QueueManager> {
  // Before anything is read in it: its own files would be blamed for what is wrong with the directory.
  reachDirectory(options.directory);
  const directory = resolve(options.directory);
  const io = options.io ?? nodeIo();
  const settings = await readNetworkSettings(directory, networkOptionsOf(options));
  const socketPath = options.socketPath ?? controlSocketPath(directory, process.env);
  const logger = options.logger ?? stderrLogger();
  const manager = await QueueManager.open({ ...options, aliases: settings.aliases, socketPath, logger });
  try {
    const transfer = options.network === false ? undefined : await startTransfer(manager, settings, io, logger);
    await startControlServer({ manager, transfer, io, socketPath, report: options.onFailure ?? warn });
    return manager;
  } catch (error) {
    await manager.close();
    throw error;
  }
}

async function startTransfer(
  manager: QueueManager,
  settings: NetworkSettings,
  io: Io,
  logger: Logger,
): Promise<Transfer> {
  const tls =
    settings.tls === undefined
      ? undefined
      : openTlsSource(settings.tls, io.timers, (error) =>
          logger.error('Changed keys cannot be used; those from before stay in use.', { error }),
        );
  manager.beforeClose(async () => tls?.close());
  const transfer = await Transfer.start({
    door: manager.transferDoor(settings),
    io,
    network: nodeNetwork(),
    names: nodeNames({ namesFile: settings.namesFile }),
    settings,
    tls,
    logger,
  });
  manager.beforeClose(() => transfer.stop());
  return transfer;
}

async function startControlServer(parts: {
  readonly manager: QueueManager;
  readonly transfer: TransferOperations | undefined;
  readonly io: Io;
  readonly socketPath: string;
  report(error: unknown, doing: string): void;
}): Promise<void> {
  const { manager, transfer, io, socketPath, report } = parts;
  try {
    const server = await ControlServer.start(manager, io, socketPath, transfer);
    manager.beforeClose(() => server.stop());
    server.forgetOldSends().catch((error: unknown) => report(error, 'forgetting old sends of other processes'));
  } catch (error) {
    report(error, 'opening the control socket');
  }
}

function networkOptionsOf(options: NetworkOptions): NetworkOptions {
  const given = NETWORK_OPTION_NAMES.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]);
  return Object.fromEntries(given) as NetworkOptions;
}

function warn(error: unknown, doing: string): void {
  const text = error instanceof Error ? error.message : String(error);
  process.emitWarning(`While ${doing}: ${text}`, { type: 'PosthornWarning' });
}
