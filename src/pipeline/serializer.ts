/** Turns bodies into bytes and back, for one content type. */
export interface Serializer {
  /** As it travels in `NServiceBus.ContentType`, lower case, without parameters: `application/json`. */
  readonly contentType: string;
  /** @throws when the body cannot be written: the send fails with INVALID_BODY */
  serialize(body: unknown): Uint8Array;
  /** @throws when the bytes cannot be read: the message goes to the error queue as UndecodableBody */
  deserialize(bytes: Uint8Array): unknown;
}
