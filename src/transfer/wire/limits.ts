import { FAILURE_HEADER_BYTES_RESERVED, MESSAGE_HEADER_BYTES_MAX } from '../../message/limits.ts';

/*
 * Bounds on what comes in over the network (guarantees-and-faults.md 5.4 and 5.7).
 */

/** Before the other side has proved who it is. */
export const FRAME_BYTES_MAX_BEFORE_WELCOME = 64 * 1024;
/** Payload of a JSON frame, at most. */
export const CONTROL_FRAME_BYTES_MAX = 1024 * 1024;
/** A DATA frame gathers what is ready up to this; a single larger message goes alone. */
export const DATA_FRAME_BYTES_AIM = 256 * 1024;
export const DATA_FRAME_MESSAGES_MAX = 512;
/** Headers of one message: what a sender may hand in, and what failures add. */
export const WIRE_HEADER_BYTES_MAX = MESSAGE_HEADER_BYTES_MAX + FAILURE_HEADER_BYTES_RESERVED;
/** A text for people in a control frame; longer ones are cut by the sender. */
export const TEXT_LENGTH_MAX = 2048;
/** On the way unacknowledged, for one stream; the receiver says so in ATTACHED. */
export const STREAM_WINDOW_MESSAGES = 2048;
export const STREAM_WINDOW_BYTES = 4 * 1024 * 1024;
/** For all streams of one link together. */
export const LINK_WINDOW_BYTES = 32 * 1024 * 1024;

/** Largest DATA frame that a machine with this limit takes: one message of the largest body, or a gathered one. */
export function dataFrameBytesMax(bodyBytesMax: number): number {
  return bodyBytesMax + WIRE_HEADER_BYTES_MAX + DATA_FRAME_BYTES_AIM;
}
