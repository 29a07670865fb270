import { crc32 } from 'node:zlib';

/**
 * The rolling digest of a stream: 64 bits over every message since the epoch began. Two stores that agree on the sequence
 * but not on what was sent under it (one went back in time, or was copied) disagree here.
 *
 * It finds accidents, not forgers. One checksum per message: the upper half chains it over the header bytes, the lower half
 * mixes what the upper went through, so that two histories that meet in one half do not meet in the other.
 */
export interface Digest {
  readonly upper: number;
  readonly lower: number;
}

export const EMPTY_DIGEST: Digest = { upper: 0, lower: 0 };

/** The digest after one more message. */
export function nextDigest(digest: Digest, headers: Uint8Array, bodyBytes: number): Digest {
  const upper = crc32(headers, digest.upper);
  const mixed = Math.imul(digest.lower ^ upper, 0x9e3779b1) ^ bodyBytes;
  return { upper, lower: (mixed ^ (mixed >>> 15)) >>> 0 };
}

export function formatDigest(digest: Digest): string {
  return digest.upper.toString(16).padStart(8, '0') + digest.lower.toString(16).padStart(8, '0');
}

/** Undefined for a text that is not a digest. */
export function parseDigest(text: string): Digest | undefined {
  if (!/^[0-9a-f]{16}$/.test(text)) return undefined;
  return { upper: Number.parseInt(text.slice(0, 8), 16), lower: Number.parseInt(text.slice(8), 16) };
}
