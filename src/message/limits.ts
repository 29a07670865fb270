import { invariant } from './posthorn-error.ts';

/*
 * Every bound on what travels, with its reason. Relations are asserted when the module loads.
 * What a user may change is an option whose default stands here.
 */

/** Default largest body of one message. MSMQ's limit was 4 MB (nservicebus-and-msmq.md 2.5). */
export const MESSAGE_BODY_BYTES_MAX = 4 * 1024 * 1024;
/** Largest headers of one message that a sender may hand in, as stored (JSON, UTF-8). */
export const MESSAGE_HEADER_BYTES_MAX = 64 * 1024;
/** Room kept on top for what Posthorn adds when a message fails, so that a move to the error queue always fits. */
export const FAILURE_HEADER_BYTES_RESERVED = 64 * 1024;
/** Exception text kept in a header is cut to this many characters, as NServiceBus does. */
export const EXCEPTION_MESSAGE_LENGTH_MAX = 16_384;
/** A stack kept in a header is cut to this many characters, so that the failure headers fit the reserved room. */
export const EXCEPTION_STACK_LENGTH_MAX = 12_288;
export const HEADER_COUNT_MAX = 256;
export const HEADER_NAME_LENGTH_MAX = 256;
export const QUEUE_NAME_LENGTH_MAX = 124;
export const MACHINE_NAME_LENGTH_MAX = 63;
export const MESSAGE_ID_LENGTH_MAX = 200;
export const MESSAGE_TYPE_LENGTH_MAX = 200;
/** How long a message may be delayed, or live: a hundred years. More would not fit a date. */
export const DURATION_MS_MAX = 100 * 365 * 24 * 60 * 60 * 1000;
/** MSMQ's priorities: 0 lowest, 7 highest, 3 when the sender says nothing. */
export const PRIORITY_MAX = 7;
export const PRIORITY_DEFAULT = 3;

// A character takes at most 3 bytes of UTF-8 per UTF-16 unit (an escaped control character 6, which stacks do not hold).
invariant(
  (EXCEPTION_STACK_LENGTH_MAX + EXCEPTION_MESSAGE_LENGTH_MAX / 2) * 3 <= FAILURE_HEADER_BYTES_RESERVED,
  'the failure headers fit into the room reserved for them',
);
