/** One row per transaction whose outcome the database decides: 'c' committed, 'a' aborted for ever (DESIGN decision 7). */
export const MARKER_TABLE = 'posthorn_marker';
/** One row per queue manager: the highest life of it that has worked here. */
export const WITNESS_TABLE = 'posthorn_witness';
