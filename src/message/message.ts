import type { Headers } from './headers.ts';

/**
 * A message as it travels and is stored. The body is opaque: only the serializer of its content type reads it.
 * Whoever gets one must not change its headers or bytes.
 */
export interface Message {
  readonly headers: Headers;
  readonly body: Uint8Array;
}
