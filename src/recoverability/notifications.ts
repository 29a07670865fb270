import type { Logger } from '../io/logger.ts';
import type { FailureReason } from '../message/headers.ts';
import { checkOption, FUNCTION, oneOf } from '../message/option-shapes.ts';

/** What an endpoint tells those who listen, by name. Told after the fact is durable. */
export interface EndpointEvents {
  readonly started: EndpointEvent;
  readonly stopped: EndpointEvent;
  readonly handled: MessageEvent & { readonly attempts: number };
  readonly immediateRetry: MessageEvent & { readonly error: Error; readonly failedAttempts: number };
  readonly delayedRetry: MessageEvent & {
    readonly error: Error;
    /** This one included. */
    readonly delayedRetries: number;
    readonly delayMs: number;
  };
  readonly movedToErrorQueue: MessageEvent & {
    readonly error: Error;
    readonly reason: FailureReason;
    readonly errorQueue: string;
    readonly attempts: number;
  };
  readonly discarded: MessageEvent & { readonly reason: string; readonly error: Error | undefined };
  /** The answer of a commit was lost: the message stays locked until recovery finds out. */
  readonly outcomeUnknown: MessageEvent & { readonly error: Error };
  /** A handler ran longer than the transaction timeout; it failed, and keeps its place until it returns. */
  readonly timedOut: MessageEvent & { readonly timeoutMs: number };
  readonly criticalError: CriticalError;
  readonly rateLimitBegan: EndpointEvent & { readonly consecutiveFailures: number };
  readonly rateLimitEnded: EndpointEvent;
}

export interface EndpointEvent {
  readonly endpoint: string;
}

export interface MessageEvent extends EndpointEvent {
  readonly messageId: string;
  /** Undefined when the message failed before its type was known. */
  readonly messageType: string | undefined;
}

/** Something outside the handlers keeps failing; what the endpoint does about it is the option `onCriticalError`. */
export interface CriticalError extends EndpointEvent {
  /** What was being done, in words: `receive from queue 'sales'`. */
  readonly what: string;
  readonly error: Error;
  readonly failingForMs: number;
  readonly failures: number;
}

export type EndpointEventName = keyof EndpointEvents;
export type Listener<Name extends EndpointEventName> = (event: EndpointEvents[Name]) => void;

/** Typed listeners by event name. A listener that throws is logged and hurts nobody. */
export class Notifications {
  readonly #logger: Logger;
  readonly #listeners = new Map<EndpointEventName, Listener<never>[]>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** @throws {InvalidOption} there is no such event, or nobody to tell it */
  on<Name extends EndpointEventName>(name: Name, listener: Listener<Name>): void {
    checkOption('event', name, EVENT_NAME);
    checkOption('listener', listener, FUNCTION);
    // Copied on change, so that a listener may take itself away while it is told.
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
  }

  off<Name extends EndpointEventName>(name: Name, listener: Listener<Name>): void {
    const remaining = (this.#listeners.get(name) ?? []).filter((each) => each !== listener);
    if (remaining.length === 0) this.#listeners.delete(name);
    else this.#listeners.set(name, remaining);
  }

  /** False lets the caller save the making of an event nobody hears. */
  hasListeners(name: EndpointEventName): boolean {
    return this.#listeners.has(name);
  }

  emit<Name extends EndpointEventName>(name: Name, event: EndpointEvents[Name]): void {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        (listener as Listener<Name>)(event); // kept under its own name by `on`
      } catch (error) {
        this.#logger.error(`A listener of '${name}' threw; the message it was told about is not affected.`, { error });
      }
    }
  }
}

// The compiler holds that it names every event.
const EVENT_NAMES: Readonly<Record<EndpointEventName, true>> = {
  started: true,
  stopped: true,
  handled: true,
  immediateRetry: true,
  delayedRetry: true,
  movedToErrorQueue: true,
  discarded: true,
  outcomeUnknown: true,
  timedOut: true,
  criticalError: true,
  rateLimitBegan: true,
  rateLimitEnded: true,
};
const EVENT_NAME = oneOf(Object.keys(EVENT_NAMES));
