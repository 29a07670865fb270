import { type MessagePort, parentPort, receiveMessageOnPort } from 'node:worker_threads';
import { nodeIo } from '../io/node-io.ts';
import { invariant } from '../message/posthorn-error.ts';
import { toWire } from './error-wire.ts';
import { packMessages } from './page-codec.ts';
import type { PageReader } from './page-reader.ts';
import type { StoreCondition } from './store.ts';
import { StoreCore } from './store-core.ts';
import { type StoredOperation, UnitReader } from './unit-codec.ts';
import type {
  FromWorker,
  ReadRequest,
  ReadResult,
  ToWorker,
  WireCondition,
  WorkerSettings,
} from './worker-protocol.ts';

/**
 * The worker thread of a store: takes what is there, one group after another, and answers.
 *
 * Groups form by what is ready and never by waiting: while one group is being synced, the next units arrive. Reads run
 * between groups, in the order of arrival. All answers leave over one port in the order in which things happened (S5).
 *
 * Who sends one unit at a time waits for each answer, and the next unit follows at once: for that one the worker sleeps on
 * a counter in shared memory, because being woken through the event loop takes 4 to 5 µs longer. Timers wait meanwhile, so
 * it does that for a short time only.
 */
class StoreWorker {
  readonly #port: MessagePort;
  readonly #inbox: ToWorker[] = [];
  #core: StoreCore | undefined;
  /** Over the first message of the inbox, when a group ended in the middle of it. */
  #unfinished: UnitReader | undefined;
  #isBusy = false;
  /** Counted up by the program's thread with everything that it sends. */
  #bell: Int32Array | undefined;

  constructor(port: MessagePort) {
    this.#port = port;
    port.on('message', (message: ToWorker) => {
      this.#inbox.push(message);
      if (!this.#isBusy) void this.#work();
    });
  }

  async #work(): Promise<void> {
    this.#isBusy = true;
    const lingerEndMs = performance.now() + LINGERING_MS_MAX;
    let isWorthLingering = false;
    for (;;) {
      if (this.#core?.recovery !== undefined) await this.#core.recovery;
      const bellCount = this.#bell === undefined ? 0 : Atomics.load(this.#bell, 0);
      this.#takeWhatArrived();
      const message = this.#inbox[0];
      if (message === undefined) {
        if (isWorthLingering && performance.now() < lingerEndMs && this.#isRung(bellCount)) continue;
        break;
      }
      if (message.kind === 'units') {
        const group = this.#nextGroup();
        isWorthLingering = group.units.length === 1;
        const refusals = this.#openCore().commit(group.units, group.byteCount);
        this.#answer(group, refusals instanceof Promise ? await refusals : refusals);
        this.#openCore().maintain();
      } else {
        this.#inbox.shift();
        this.#serve(message);
      }
    }
    this.#isBusy = false;
  }

  /** Sleeps until more was sent than `bellCount` counts; false when nothing came for a while. */
  #isRung(bellCount: number): boolean {
    return this.#bell !== undefined && Atomics.wait(this.#bell, 0, bellCount, LINGER_MS) !== 'timed-out';
  }

  #takeWhatArrived(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.#port);
      if (received === undefined) return;
      this.#inbox.push(received.message as ToWorker);
    }
  }

  #nextGroup(): Group {
    const group: Group = { units: [], byteCount: 0, finishedBuffers: [] };
    for (;;) {
      const message = this.#inbox[0];
      if (message?.kind !== 'units') return group;
      const reader = this.#unfinished ?? new UnitReader(message.packed);
      const start = reader.offset;
      while (reader.unitsLeft > 0) {
        if (group.units.length >= GROUP_UNITS_MAX || group.byteCount + reader.offset - start >= GROUP_BYTES_MAX) {
          group.byteCount += reader.offset - start;
          this.#unfinished = reader;
          return group;
        }
        group.units.push(reader.next());
      }
      group.byteCount += reader.offset - start;
      this.#unfinished = undefined;
      this.#inbox.shift();
      group.finishedBuffers.push(message.packed.buffer);
    }
  }

  #answer(group: Group, refusals: ReadonlyMap<number, Error>): void {
    const message: FromWorker = {
      kind: 'answered',
      unitCount: group.units.length,
      refusals:
        refusals.size === 0 ? undefined : [...refusals].map(([index, error]) => ({ index, error: toWire(error) })),
      commitMs: this.#openCore().commitMs,
      buffers: group.finishedBuffers,
    };
    this.#port.postMessage(message, group.finishedBuffers);
  }

  #serve(message: Exclude<ToWorker, { kind: 'units' }>): void {
    switch (message.kind) {
      case 'open':
        this.#open(message.settings);
        return;
      case 'read': {
        const result = this.#read(message.request);
        const answer: FromWorker = { kind: 'readResult', id: message.id, result };
        this.#port.postMessage(answer, result.kind === 'messages' ? [result.buffer] : []);
        return;
      }
      case 'close':
        this.#close();
        return;
      default:
        message satisfies never;
    }
  }

  #open(settings: WorkerSettings): void {
    const { clock, timers } = nodeIo();
    this.#bell = new Int32Array(settings.bell);
    try {
      this.#core = new StoreCore({
        ...settings,
        timers,
        nowMs: () => performance.now(),
        wallNowMs: () => clock.wallNowMs(),
        onCondition: (condition) => this.#tell(condition),
      });
      const { opened, condition } = this.#core;
      this.#send({ kind: 'opened', opened, condition: conditionToWire(condition) });
    } catch (error) {
      this.#send({ kind: 'notOpened', error: toWire(error) });
    }
  }

  #read(request: ReadRequest): ReadResult {
    try {
      return this.#openCore().read((reader) => readFrom(reader, request));
    } catch (error) {
      return { kind: 'failed', error: toWire(error) };
    }
  }

  #close(): void {
    try {
      this.#core?.close();
      this.#send({ kind: 'closed', error: undefined });
    } catch (error) {
      this.#send({ kind: 'closed', error: toWire(error) });
    }
    this.#port.close();
  }

  #tell(condition: StoreCondition): void {
    this.#send({ kind: 'condition', condition: conditionToWire(condition) });
  }

  #send(message: FromWorker): void {
    this.#port.postMessage(message);
  }

  #openCore(): StoreCore {
    invariant(this.#core !== undefined, 'the store is opened before it is used');
    return this.#core;
  }
}

interface Group {
  readonly units: StoredOperation[][];
  byteCount: number;
  readonly finishedBuffers: ArrayBuffer[];
}

function conditionToWire(condition: StoreCondition): WireCondition {
  return 'cause' in condition ? { state: condition.state, cause: toWire(condition.cause) } : condition;
}

function readFrom(reader: PageReader, request: ReadRequest): ReadResult {
  switch (request.kind) {
    case 'messages': {
      const { messages, isLast } = reader.readMessages(request.range);
      return { kind: 'messages', buffer: packMessages(messages), count: messages.length, isLast };
    }
    case 'due': {
      const messages = reader.readDue(request.upToMs, request.countMax);
      return { kind: 'messages', buffer: packMessages(messages), count: messages.length, isLast: true };
    }
    case 'nextDeadline':
      return { kind: 'value', value: reader.nextDeadline(request.afterMs) };
    case 'state':
      return { kind: 'value', value: reader.readState(request.range) };
    default:
      return request satisfies never;
  }
}

/** A group ends here, so that reads and answers never wait long for a large one. */
const GROUP_UNITS_MAX = 1024;
const GROUP_BYTES_MAX = 2 * 1024 * 1024;
/** A sender that takes longer for its next unit than this is not held up by the event loop. */
const LINGER_MS = 1;
/** Then timers and whatever else waits in the event loop get their turn. */
const LINGERING_MS_MAX = 10;

invariant(parentPort !== null, 'this file runs as a worker thread');
new StoreWorker(parentPort);
