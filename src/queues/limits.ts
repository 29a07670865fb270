import { invariant } from '../message/posthorn-error.ts';

/** Messages of one queue held in memory for its receivers, at most. */
export const WINDOW_MESSAGES_MAX = 1024;
/** Their bytes, at most; one larger message is held alone. */
export const WINDOW_BYTES_MAX = 8 * 1024 * 1024;
/** One read into the window. */
export const WINDOW_PAGE_MESSAGES = 512;
export const WINDOW_PAGE_BYTES = 2 * 1024 * 1024;
/** With fewer than this in the window, the next page is read ahead. */
export const WINDOW_REFILL_BELOW = 256;
/** Messages released or expired in one unit by the deadline keeper. */
export const DUE_PAGE_MESSAGES = 128;
/** The clock is saved with a unit at most this often. */
export const CLOCK_SAVE_INTERVAL_MS = 5_000;
/** Places, so queues times kinds: the store packs the number into 15 bits. */
export const PLACE_COUNT_MAX = 32_767;
/** Handlers of all receivers of one queue manager at a time, at most: slots of the in-flight file. */
export const IN_FLIGHT_SLOTS_MAX = 16_384;

invariant(WINDOW_REFILL_BELOW + WINDOW_PAGE_MESSAGES <= WINDOW_MESSAGES_MAX, 'a page read ahead fits into the window');
