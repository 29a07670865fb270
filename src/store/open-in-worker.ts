import { Worker } from 'node:worker_threads';
import { fromWire } from './error-wire.ts';
import { StoreFailed } from './errors.ts';
import type { FromWorker, ToWorker, WorkerSettings } from './worker-protocol.ts';

export function startWorker(): Worker {
  return new Worker(workerUrl(), { name: 'posthorn-store', ...workerArguments() });
}

/** The source runs as `.ts` and the package as `.js`. */
function workerUrl(): URL {
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
  return new URL(`./store-worker${extension}`, import.meta.url);
}

/**
 * A worker inherits the arguments of its process; only those of a program given by `-e` cannot start a file. (Naming any
 * explicitly would fail under `node --test`, whose arguments a worker may inherit and not be given.)
 */
function workerArguments(): { readonly execArgv?: string[] } {
  return process.execArgv.some((argument) => argument.startsWith('--input-type')) ? { execArgv: [] } : {};
}

/** The store's first answer. @throws why it was not opened */
export function openInWorker(worker: Worker, settings: WorkerSettings): Promise<FromWorker & { kind: 'opened' }> {
  return new Promise((resolve, reject) => {
    const onMessage = (message: FromWorker): void => {
      if (message.kind === 'opened') finish(() => resolve(message));
      if (message.kind === 'notOpened') finish(() => reject(fromWire(message.error)));
    };
    const onEnd = (cause: unknown): void =>
      finish(() => reject(new StoreFailed(`its worker ended while it was opened: ${String(cause)}`)));
    const finish = (settle: () => void): void => {
      worker.off('message', onMessage).off('error', onEnd).off('exit', onEnd);
      settle();
    };
    worker.on('message', onMessage).on('error', onEnd).on('exit', onEnd);
    worker.postMessage({ kind: 'open', settings } satisfies ToWorker);
  });
}
