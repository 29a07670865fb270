import { NoJson } from './errors.ts';
import type { Serializer } from './serializer.ts';

/** JSON in UTF-8. Bytes that are not UTF-8 are an error and never repaired: what was sent must be what is handled. */
export const jsonSerializer: Serializer = {
  contentType: 'application/json',
  serialize(body) {
    const text = JSON.stringify(body);
    if (text === undefined) throw new NoJson(typeof body);
    return Buffer.from(text);
  },
  deserialize(bytes) {
    return JSON.parse(decoder.decode(bytes));
  },
};

const decoder = new TextDecoder('utf-8', { fatal: true });
