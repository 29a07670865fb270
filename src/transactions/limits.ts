/* Bounds of transactions over databases, each with its reason. */

/** How long `commit` itself tries to settle a marker whose answer was lost, before it leaves that to recovery. */
export const IN_DOUBT_MS_MAX = 5_000;
/** Pauses between its questions: a broken connection is often back at once. */
export const IN_DOUBT_PAUSES_MS: readonly number[] = [20, 50, 100, 200, 400];
/** How long databases have to answer after the time of a stop is over: those that are well need less. */
export const STOP_ANSWER_MS_MAX = 2_000;
/** While something is to be settled in a database (G-X8). */
export const PENDING_PERIOD_MS = 10_000;
/** While endpoints use a database and nothing is to be settled: finds late branches, and a store that was copied. */
export const IDLE_PERIOD_MS = 60_000;
/** After a database could not be reached; doubled up to the period. */
export const RETRY_FIRST_MS = 1_000;
/** A branch of this epoch that nobody knows is rolled back when two scans this far apart have seen it. */
export const SAFETY_INTERVAL_MS = 20_000;
/** Prepared branches older than this hold locks that somebody will miss. */
export const PREPARED_ALARM_MS = 60_000;
export const PREPARED_ALARM_AGAIN_MS = 600_000;
/** Marker rows are deleted together, this long after the first of them was applied. */
export const MARKER_PAUSE_MS = 250;
export const MARKER_BATCH = 256;
/** Rows that cannot be deleted now; the next start finds what is beyond. */
export const MARKERS_KEPT_MAX = 10_000;
/** The epoch rises after so many; a restored store that lacks more than twice as many is found out (epochs.ts). */
export const TRANSACTIONS_OF_AN_EPOCH = 40;
export const OPERATOR_ACTIONS_KEPT = 200;
export const VIEW_PAGE = 100;
/** Sessions outlive their transaction's time by this: the endpoint's own timeout tells more than a lost connection. */
export const IDLE_MARGIN_MS = 10_000;
