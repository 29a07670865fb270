import { Header } from '../../message/headers.ts';
import type { Behavior } from '../behavior.ts';
import { UndecodableBody } from '../errors.ts';
import type { Serializers } from '../serializers.ts';
import type { TypedStage } from '../stages.ts';

/** Reads the body by its content type. Only messages that somebody handles cost a parse. */
export function deserializeBody(serializers: Serializers): Behavior<TypedStage> {
  return function deserializeBody(context, next) {
    const contentType = context.headers[Header.contentType];
    const serializer = serializers.readerOf(contentType);
    if (serializer === undefined) throw new UndecodableBody(contentType ?? '', 'there is no serializer for it');
    try {
      context.message = serializer.deserialize(context.body);
    } catch (error) {
      // The parser's own text may quote the body, which must not reach logs; its kind says enough.
      throw new UndecodableBody(serializer.contentType, error instanceof Error ? error.name : 'the serializer failed');
    }
    return next(context);
  };
}
