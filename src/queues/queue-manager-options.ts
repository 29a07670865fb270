import { hostname } from 'node:os';
import { dirname, resolve } from 'node:path';
import type { Io } from '../io/io.ts';
import { type Logger, silentLogger } from '../io/logger.ts';
import { nodeIo } from '../io/node-io.ts';
import { openSmallFile, type SmallFile } from '../io/small-file.ts';
import { MESSAGE_BODY_BYTES_MAX } from '../message/limits.ts';
import { StoreUnreachable } from '../store/errors.ts';
import type { Store } from '../store/store.ts';
import { type OpenStoreOptions, openStore } from '../store/worker-store.ts';
import { Coordinator } from '../transactions/coordinator.ts';
import type { QueueSide } from '../transactions/queue-side.ts';
import type { TransactionCoordinator } from '../transactions/transaction-coordinator.ts';
import { IN_FLIGHT_FILE_BYTES_MAX } from './in-flight-table.ts';

export interface QueueManagerOptions {
  /** Where everything durable lies; made when it does not exist. One owner at a time. */
  readonly directory: string;
  /** Name of this machine, as in `queue@machine`. Default: the name it had before, at first the host name. */
  readonly machine?: string;
  /** Other names of this machine: messages for them are for this machine too. */
  readonly aliases?: readonly string[];
  /** Largest body of a message in bytes. Default 4 MiB. */
  readonly bodyBytesMax?: number;
  /** Told of failures that no caller waits for; they are tried again. Default: a process warning. */
  readonly onFailure?: (error: unknown, doing: string) => void;
  /** Doors to time and chance; default: the real ones. */
  readonly io?: Io;
  /** For what transactions over databases meet. Default: silent. */
  readonly logger?: Logger;
  /** `cli` for a verb that opens the directory for one page of work. */
  readonly purpose?: 'queue-manager' | 'cli';
  /** How long to wait for a CLI verb that has the directory to finish its page. Default 10,000 ms. */
  readonly waitForOwnerMs?: number;
  /** Path of the control socket, written into the owner record. */
  readonly socketPath?: string;
  /** The store to use; default: SQLite in a worker thread. */
  readonly openStore?: (options: OpenStoreOptions) => Promise<Store>;
  readonly openInFlightFile?: (path: string) => SmallFile;
  /** What is to be the coordinator of transactions; default: the real one. */
  readonly makeCoordinator?: (parts: CoordinatorParts) => TransactionCoordinator;
}

/** What a coordinator of transactions is made from. */
export interface CoordinatorParts {
  readonly side: QueueSide;
  readonly io: Io;
  readonly logger: Logger;
}

/** The options with their defaults filled in. */
export type OpenOptions = Required<Omit<QueueManagerOptions, 'machine' | 'socketPath'>> & {
  /** As asked for; the directory keeps the name it was made with. */
  readonly machine: string | undefined;
  readonly hostName: string;
  readonly socketPath: string | undefined;
};

export function fillOptions(options: QueueManagerOptions): OpenOptions {
  return {
    machine: options.machine,
    hostName: hostname(),
    aliases: options.aliases ?? [],
    bodyBytesMax: options.bodyBytesMax ?? MESSAGE_BODY_BYTES_MAX,
    onFailure: options.onFailure ?? warn,
    io: options.io ?? nodeIo(),
    logger: options.logger ?? silentLogger,
    purpose: options.purpose ?? 'queue-manager',
    waitForOwnerMs: options.waitForOwnerMs ?? 10_000,
    socketPath: options.socketPath,
    makeCoordinator: options.makeCoordinator ?? ((parts) => new Coordinator(parts)),
    openStore: options.openStore ?? openStore,
    openInFlightFile: options.openInFlightFile ?? openInFlightFile,
    directory: resolve(options.directory),
  };
}

function openInFlightFile(path: string): SmallFile {
  try {
    return openSmallFile(path, IN_FLIGHT_FILE_BYTES_MAX);
  } catch (error) {
    throw new StoreUnreachable(dirname(path), error instanceof Error ? error.message : String(error));
  }
}

function warn(error: unknown, doing: string): void {
  const text = error instanceof Error ? error.message : String(error);
  process.emitWarning(`While ${doing}: ${text}`, { type: 'PosthornWarning' });
}
