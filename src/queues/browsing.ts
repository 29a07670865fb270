import type { Headers } from '../message/headers.ts';
import type { QueuePlaceKind } from '../store/store.ts';
import type { Delivery } from '../transport/transport.ts';

/** Which messages of a queue to look at: its waiting ones, its delayed ones or its journal. */
export interface BrowseRange {
  readonly queue: string;
  readonly kind?: QueuePlaceKind;
  /** Exclusive; from the `lastPosition` of the page before. */
  readonly afterPosition?: number;
  /** Messages with a higher sequence are passed over: how an operation leaves out what arrived after it began. */
  readonly sequenceMax?: number;
  /** Messages looked at in this page, at most; a page is also cut by bytes and time. */
  readonly countMax: number;
  readonly withBodies?: boolean;
}

/** A message seen without receiving it. */
export interface BrowsedMessage {
  readonly queue: string;
  readonly position: number;
  readonly priority: number;
  /** Undefined when the stored header bytes cannot be read. */
  readonly headers: Headers | undefined;
  /** From the headers; for unreadable ones `position:N`, so that every message can be named. */
  readonly id: string;
  readonly bodyBytes: number;
  readonly body: Uint8Array | undefined;
  readonly isLocked: boolean;
  /** Unix milliseconds: when a delayed message is due, as its place has it; its headers may name an earlier delay. */
  readonly dueMs: number | undefined;
}

export interface BrowsePage {
  readonly messages: readonly BrowsedMessage[];
  /** Where the next page begins; undefined when nothing was looked at. */
  readonly lastPosition: number | undefined;
  readonly isLast: boolean;
}

/** A page of messages locked for an operator's work; each is completed or released like any delivery. */
export interface TakenPage {
  readonly taken: readonly { readonly message: BrowsedMessage; readonly delivery: Delivery }[];
  /** Accepted but held by a receiver now, so left alone. */
  readonly lockedCount: number;
  readonly lookedAt: number;
  readonly lastPosition: number | undefined;
  readonly isLast: boolean;
}
