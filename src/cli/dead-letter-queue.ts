/** The queue of what could not be delivered: expired, purged, or without a way. */
export const DEAD_LETTER_QUEUE = 'dead-letter';
