import { type Headers, headersOf } from './headers.ts';

const decoder = new TextDecoder('utf-8', { fatal: true });

/** Reads stored header bytes: a JSON object of texts. `undefined` when they are not one; nothing is guessed or repaired. */
export function parseHeaders(bytes: Uint8Array): Headers | undefined {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  // Copied by own key into an object without a prototype: stored bytes are input too (G-Z3).
  const headers = value as Record<string, unknown>;
  for (const name in headers) {
    if (typeof headers[name] !== 'string') return undefined;
  }
  return headersOf(headers as Headers);
}
