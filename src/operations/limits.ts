import { FAILURE_HEADER_BYTES_RESERVED, MESSAGE_BODY_BYTES_MAX, MESSAGE_HEADER_BYTES_MAX } from '../message/limits.ts';
import { invariant } from '../message/posthorn-error.ts';

/**
 * Messages looked at in one page. Measured on two cores with `errors group` over 100,000 messages beside 16 light senders:
 * the p99 of commits was 4.2 times that without it with pages of 64, and 2.5 to 3.5 times with pages of 16 and the verb at
 * a lower priority (10 or 19: the same); grouping took 1.7 instead of 1.3 s. Pages of 8 gained nothing more and took 2.8 s.
 */
export const PAGE_MESSAGES_MAX = 16;
/** Messages put elsewhere in one page, which is one unit of work. */
export const CHANGE_PAGE_MESSAGES_MAX = 64;
export const PAGE_QUEUES_MAX = 100;
/** Outgoing queues in one answer, without their last attempts. */
export const PAGE_OUTGOING_MAX = 500;
/** An id, resource or endpoint that a request names; a foreign branch may have 128 bytes in hexadecimal. */
export const TRANSACTION_NAME_LENGTH_MAX = 512;
/** Why an operator did something, in characters. */
export const OPERATOR_REASON_LENGTH_MAX = 500;
/** A searched text, in characters. */
export const FILTER_TEXT_LENGTH_MAX = 256;
/** Bytes of each body that a text is searched in. */
export const SEARCHED_BODY_BYTES_MAX = 256 * 1024;
/** Ids that one filter may name; more is what `all` and filters are for. */
export const FILTER_ID_COUNT_MAX = 256;
/** Characters of an id that suffice to name a message. */
export const ID_PREFIX_LENGTH_MIN = 6;
/** Bytes of a body shown with a summary. */
export const BODY_PREVIEW_BYTES_MAX = 512;
/** Exception text in a summary, in characters. */
export const SUMMARY_TEXT_LENGTH_MAX = 400;
/** Return operations remembered, finished or not. */
export const RETURN_OPERATIONS_MAX = 100;
/** Examples of messages that an operation left where they were. */
export const LEFT_EXAMPLES_MAX = 20;
/** How long the name of a send is remembered when its sender never says that it got the answer. */
export const SEND_ID_RETENTION_MS = 24 * 60 * 60 * 1000;

/** A frame of the control socket: room for one largest message with its failure headers, and for what stands around it. */
export const FRAME_BYTES_MAX = 8 * 1024 * 1024;
export const CONTROL_CONNECTIONS_MAX = 64;
/** Requests of one connection being worked on at a time; beyond it the connection is not read. */
export const CONNECTION_REQUESTS_MAX = 256;
/** Answers of one connection not yet taken by the other end; beyond it the connection is not read. */
export const CONNECTION_ANSWER_BYTES_MAX = 16 * 1024 * 1024;

invariant(
  MESSAGE_BODY_BYTES_MAX + MESSAGE_HEADER_BYTES_MAX + FAILURE_HEADER_BYTES_RESERVED + 1024 * 1024 <= FRAME_BYTES_MAX,
  'the largest message fits into a frame of the control socket',
);
