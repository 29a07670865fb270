import { checkedNameOf } from '../message/check-message-type.ts';
import type { Contract } from '../message/contract.ts';
import { Header } from '../message/headers.ts';
import { ANYTHING, checkOption, named, oneOf, type Shapes, TEXT } from '../message/option-shapes.ts';
import type { UserBehavior } from '../pipeline/behavior.ts';
import type { IncomingLogicalContext } from '../pipeline/handler-context.ts';
import { StoreSyncFailed } from '../store/errors.ts';
import type { Unit } from '../store/store.ts';
import { InjectedFailure } from './errors.ts';
import type { MessageLog } from './message-log.ts';

/**
 * Failures that a test asked for, each of which happens once:
 *
 *     waiting ──a message that fits reaches `beforeHandler` or `beforeCommit`──▶ happened
 *     waiting ──the handlers of a message that fits are done──▶ chosen ──its commit──▶ happened
 *                                                                 └──another end──▶ waiting
 */
export class FaultPlan {
  readonly #log: MessageLog;
  readonly #die: () => void;
  readonly #faults: Fault[] = [];
  /** Chosen for a commit that is about to come, by queue and message id. */
  readonly #chosen = new Map<string, Fault>();

  /** @param die - ends the process at once */
  constructor(log: MessageLog, die: () => void) {
    this.#log = log;
    this.#die = die;
  }

  /** @throws {InvalidOption} {InvalidMessageType} what no message could ever fit */
  failOnce(options: FailOnceOptions): InjectedFault {
    checkOption('failOnce', options, FAIL_ONCE);
    const fault: Fault = {
      at: options.at,
      type: options.message === undefined ? undefined : checkedNameOf(options.message),
      endpoint: options.endpoint,
      error: options.error,
      hasHappened: false,
    };
    this.#faults.push(fault);
    return fault;
  }

  /** Nothing that was chosen by a process that died will come to its commit. */
  processDied(): void {
    for (const fault of this.#chosen.values()) this.#faults.push(fault);
    this.#chosen.clear();
  }

  /** The step that stands next to the handlers of an endpoint. */
  behavior(): UserBehavior<IncomingLogicalContext> {
    const plan = this;
    return async function injectFaults(context, next) {
      plan.#throwIfAsked('beforeHandler', context);
      await next();
      plan.#throwIfAsked('beforeCommit', context);
      const fault = plan.#take(['atCommit', 'afterCommit'], context);
      if (fault !== undefined) plan.#chosen.set(keyOf(context.queue, context.messageId), fault);
    };
  }

  /** Answers for the store when the unit is the commit that a fault was chosen for. */
  commit(unit: Unit, commit: () => Promise<void>): Promise<void> {
    const fault = this.#chosen.size === 0 ? undefined : this.#takeChosen(unit);
    if (fault === undefined) return commit();
    fault.hasHappened = true;
    if (fault.at === 'atCommit') {
      return Promise.reject(fault.error ?? new StoreSyncFailed('a test asked for this failure'));
    }
    return commit().then(() => {
      this.#die();
      return NEVER;
    });
  }

  #throwIfAsked(at: 'beforeHandler' | 'beforeCommit', context: IncomingLogicalContext): void {
    const fault = this.#take([at], context);
    if (fault === undefined) return;
    fault.hasHappened = true;
    throw fault.error ?? new InjectedFailure(at);
  }

  #take(places: readonly FaultPlace[], context: IncomingLogicalContext): Fault | undefined {
    const index = this.#faults.findIndex(
      ({ at, type, endpoint }) =>
        places.includes(at) &&
        (type === undefined || type === context.messageType) &&
        (endpoint === undefined || endpoint === context.endpoint),
    );
    return index === -1 ? undefined : this.#faults.splice(index, 1)[0];
  }

  #takeChosen(unit: Unit): Fault | undefined {
    for (const { queue, messageId } of this.#log.removalsOf(unit)) {
      const key = keyOf(queue, messageId);
      const fault = this.#chosen.get(key);
      if (fault === undefined) continue;
      this.#chosen.delete(key);
      if (!this.#isRecovery(unit, messageId)) return fault;
      // A step outside the handlers failed after they were done: this was not the commit.
      this.#faults.unshift(fault);
    }
    return this.#takeChosenForStage(unit);
  }

  /** With one database, which decides, the commit begins with a unit that takes nothing out of queues yet. */
  #takeChosenForStage(unit: Unit): Fault | undefined {
    for (const { queue, messageId } of this.#log.stagedIn(unit)) {
      const key = keyOf(queue, messageId);
      const fault = this.#chosen.get(key);
      if (fault?.at !== 'atCommit') continue;
      this.#chosen.delete(key);
      return fault;
    }
    return undefined;
  }

  /** A failed message is put elsewhere in the unit that takes it out of its queue. */
  #isRecovery(unit: Unit, messageId: string): boolean {
    return this.#log
      .putsOf(unit)
      .some(
        (put) =>
          put.messageId === messageId &&
          (put.headers[Header.failedQueue] !== undefined || put.headers[Header.delayedRetries] !== undefined),
      );
  }
}

/**
 * `beforeHandler`, `beforeCommit`: the handling fails there, and recoverability takes over as with any error of a handler.
 * `atCommit`: the store refuses the unit, and nothing of it is there. `afterCommit`: the unit is durable, and the process
 * dies before it hears so; the bus starts it again by itself.
 */
export type FaultPlace = 'beforeHandler' | 'beforeCommit' | 'atCommit' | 'afterCommit';

export interface FailOnceOptions {
  readonly at: FaultPlace;
  /** Only for messages of this type. Default: the next message that is handled. */
  readonly message?: Contract | string;
  /** Only in this endpoint, which may be added later. */
  readonly endpoint?: string;
  /** What is thrown, or answered by the store. Default: `INJECTED_FAILURE`; at the commit `STORE_SYNC_FAILED`. */
  readonly error?: Error;
}

export interface InjectedFault {
  /** False for as long as no message that fits was handled: look at it when a name may be misspelt. */
  readonly hasHappened: boolean;
}

const FAIL_ONCE = named(
  {
    at: oneOf(['beforeHandler', 'beforeCommit', 'atCommit', 'afterCommit'] satisfies FaultPlace[]),
    message: ANYTHING,
    endpoint: TEXT,
    error: { fits: (value) => value instanceof Error, mend: 'Give an Error.' },
  } satisfies Shapes<FailOnceOptions>,
  ['at'],
);

interface Fault {
  readonly at: FaultPlace;
  readonly type: string | undefined;
  readonly endpoint: string | undefined;
  readonly error: Error | undefined;
  hasHappened: boolean;
}

function keyOf(queue: string, messageId: string): string {
  return `${queue}/${messageId}`;
}

const NEVER: Promise<never> = new Promise(() => {});
