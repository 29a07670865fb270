import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../../src/io/logger.ts';
import { nodeIo } from '../../src/io/node-io.ts';
import { Header } from '../../src/message/headers.ts';
import { openQueueManager } from '../../src/operations/open-queue-manager.ts';
import type { IncomingStatus } from '../../src/transfer/incoming-status.ts';
import { type TestMaterial, writeTlsFiles } from './certificates.ts';
import { shownIncoming, shownOutgoing, shownQueue } from './shown.ts';

/** The machine beta in a process of its own, which is attacked; and machines with messages for it meanwhile. */
export class Victim implements AsyncDisposable {
  readonly port: number;
  readonly #root: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  readonly #alpha: TestMaterial | undefined;
  #peers = 0;

  private constructor(root: string, child: ChildProcess, port: number, alpha: TestMaterial | undefined) {
    this.#root = root;
    this.#child = child;
    this.port = port;
    this.#alpha = alpha;
    this.#ended = new Promise((resolve) => child.once('exit', resolve));
  }

  /** @param materials - with TLS */
  static async begin(materials?: { readonly alpha: TestMaterial; readonly beta: TestMaterial }): Promise<Victim> {
    const root = mkdtempSync(join(tmpdir(), 'posthorn-victim-'));
    const directory = join(root, 'beta');
    if (materials !== undefined) writeKeys(directory, materials.beta);
    const options = JSON.stringify({ directory, listen: { address: '127.0.0.1', port: 0 } });
    const child = fork(new URL('../transfer/children/victim.ts', import.meta.url), [options], {
      execArgv: ['--conditions=posthorn-source', '--expose-gc'],
    });
    await new Promise((resolve, reject) => child.once('message', resolve).once('exit', reject));
    const { listeners } = await shownIncoming(directory);
    return new Victim(root, child, listeners[0]?.port ?? 0, materials?.alpha);
  }

  /** Of what lives, in bytes. */
  memoryBytes(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#child.once('exit', reject);
      this.#child.once('message', (bytes) => {
        this.#child.off('exit', reject);
        resolve(Number(bytes));
      });
      this.#child.send('memory');
    });
  }

  /** A peer that was never here connects and delivers: resolves with the ms from its send to the acknowledgement. */
  async deliver(): Promise<number> {
    const { clock } = nodeIo();
    const directory = join(this.#root, `alpha-${++this.#peers}`);
    if (this.#alpha !== undefined) writeKeys(directory, this.#alpha);
    const machines = { beta: `127.0.0.1:${this.port}` };
    const alpha = await openQueueManager({ directory, machine: 'alpha', machines, logger: silentLogger });
    try {
      const headers = { [Header.messageId]: `legitimate ${this.#peers}` };
      const startMs = clock.monotonicNowMs();
      await alpha.send([{ destination: { queue: 'in', machine: 'beta' }, headers, body: Buffer.from('{}') }]);
      await shownOutgoing(directory, 'in@beta', ({ messages }) => messages === 0);
      return clock.monotonicNowMs() - startMs;
    } finally {
      await alpha.close();
    }
  }

  /** What its operator sees, once so many were refused. */
  refusals(countMin: number): Promise<IncomingStatus> {
    return shownIncoming(join(this.#root, 'beta'), ({ refusedCount }) => refusedCount >= countMin);
  }

  /** Messages in its queue `in`, whoever sent them. */
  async messagesTaken(): Promise<number> {
    const queue = await shownQueue(join(this.#root, 'beta'), 'in');
    return queue.messages;
  }

  /** It is there to the end, and ends in good order. */
  async end(): Promise<void> {
    assert.equal(this.#child.exitCode, null, 'it runs');
    this.#child.send('end');
    assert.equal(await this.#ended, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL');
    await this.#ended;
    rmSync(this.#root, { recursive: true, force: true });
  }
}

function writeKeys(directory: string, material: TestMaterial): void {
  mkdirSync(join(directory, 'keys'), { recursive: true });
  writeTlsFiles(join(directory, 'keys'), material);
}
