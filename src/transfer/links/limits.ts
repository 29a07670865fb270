import { LINK_WINDOW_BYTES } from '../wire/limits.ts';

/*
 * Times and bounds of links and of the listener (guarantees-and-faults.md 5.5 and 5.7).
 */

/** HELLO and its answer each come within this time after the connection. */
export const HANDSHAKE_TIMEOUT_MS = 5_000;
/** Silence after which a sign of life is asked for. */
export const ASK_AFTER_MS_EXPECTING = 2_000;
export const ASK_AFTER_MS_IDLE = 5_000;
/** After asking: when the silence is told, and when the link is given up. 2 + 6 = 8 s loaded, 5 + 10 = 15 s idle. */
export const SILENT_AFTER_ASKING_MS = 2_000;
export const DEAD_AFTER_ASKING_MS_EXPECTING = 6_000;
export const DEAD_AFTER_ASKING_MS_IDLE = 10_000;
/** An end that does not read, or hears a frame that takes long to come, says at least this often that it lives. */
export const SPEAK_EVERY_MS = 1_500;
/** A timer that comes later than this tells that this process was held up, so bytes of the peer may lie unread. */
export const HELD_UP_MS = 1_000;
/** How long a link that closes waits for the last bytes to go out. */
export const CLOSE_TIMEOUT_MS = 1_000;
/** More than this and the other side takes nothing while it goes on asking. */
export const LINK_WRITE_BYTES_MAX = 2 * LINK_WINDOW_BYTES;
/** With more on the way, only the latest PING is answered, once it went out. */
export const PONG_BACKLOG_BYTES_MAX = 64 * 1024;

/** Connections whose HELLO is awaited: from one network (/24, or /64 of IPv6), and in all. */
export const HANDSHAKES_PER_NETWORK_MAX = 64;
export const HANDSHAKES_MAX = 512;
/** Links of other machines to this one. */
export const INBOUND_LINKS_MAX = 4_096;
/**
 * Of them, links of one machine that has proved its name: each may hold a frame of the largest size that is not whole yet.
 * It takes one for each name by which it dials, and for each store that its directory has been replaced by lately.
 */
export const INBOUND_LINKS_PER_MACHINE_MAX = 16;
/** Somebody who only looks is let go after this time. */
export const PROBE_LINK_MS_MAX = 60_000;
export const PROBE_LINKS_MAX = 64;
/** How long the old link of a store has to prove that it lives when another process of that store comes. */
export const DUPLICATE_PROOF_MS = 2_000;
export const REFUSALS_KEPT = 50;

export const ADDRESS_POLL_MS = 2_000;
/** The wall clock ran this much further than the monotonic one, or a poll came this late: the machine slept. */
export const SUSPEND_GAP_MS = 5_000;
export const LISTEN_RETRY_MS_MIN = 500;
export const LISTEN_RETRY_MS_MAX = 30_000;
export const SELF_PROBE_MS = 30_000;
/** After the start: its name server may still be starting too. */
export const SELF_PROBE_FIRST_MS = 3_000;
export const SELF_PROBE_CONNECT_MS = 5_000;
export const SELF_PROBE_ADDRESSES_MAX = 8;
