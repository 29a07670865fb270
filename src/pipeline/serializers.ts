import { InvalidOption } from '../message/errors.ts';
import { jsonSerializer } from './json-serializer.ts';
import type { Serializer } from './serializer.ts';

/** The serializers of one endpoint, by content type. The first one writes; JSON is always there to read. */
export class Serializers {
  readonly #byContentType = new Map<string, Serializer>();
  readonly writer: Serializer;

  constructor(serializers: readonly Serializer[]) {
    this.#byContentType.set(jsonSerializer.contentType, jsonSerializer);
    for (const serializer of serializers) {
      const contentType = essenceOf(serializer.contentType);
      if (contentType !== serializer.contentType) {
        const why = `has the content type '${serializer.contentType}'`;
        throw new InvalidOption('serializers', why, `Write it in lower case and without parameters: '${contentType}'.`);
      }
      this.#byContentType.set(contentType, serializer);
    }
    this.writer = serializers[0] ?? jsonSerializer;
  }

  /** The serializer that reads `contentType`; parameters as `; charset=utf-8` do not matter. A missing one means our own. */
  readerOf(contentType: string | undefined): Serializer | undefined {
    if (contentType === undefined) return this.writer;
    return this.#byContentType.get(contentType) ?? this.#byContentType.get(essenceOf(contentType));
  }
}

function essenceOf(contentType: string): string {
  return (contentType.split(';', 1)[0] ?? '').trim().toLowerCase();
}
