import type { Frame } from './frames.ts';

export type FrameType = Frame['type'];

/** The byte on the wire for each type of frame, and which end of a connection may send it. */
export const FRAME_TYPES: { readonly [Type in FrameType]: FrameTypeRule } = {
  hello: { code: 1, sender: 'dialer' },
  welcome: { code: 2, sender: 'acceptor' },
  refused: { code: 3, sender: 'acceptor' },
  attach: { code: 4, sender: 'dialer' },
  attached: { code: 5, sender: 'acceptor' },
  detached: { code: 6, sender: 'acceptor' },
  data: { code: 7, sender: 'dialer' },
  acked: { code: 8, sender: 'acceptor' },
  ping: { code: 9, sender: 'both' },
  pong: { code: 10, sender: 'both' },
  closing: { code: 11, sender: 'both' },
  pingBack: { code: 12, sender: 'dialer' },
  pingBackResult: { code: 13, sender: 'acceptor' },
};

interface FrameTypeRule {
  readonly code: number;
  readonly sender: 'dialer' | 'acceptor' | 'both';
}

const HANDSHAKE: readonly FrameType[] = ['hello', 'welcome', 'refused'];
const TYPES_BY_CODE: readonly (FrameType | undefined)[] = typesByCode();

/** Undefined: version 1 knows no such type. */
export function frameTypeOf(code: number): FrameType | undefined {
  return TYPES_BY_CODE[code];
}

/** What an end takes after the handshake: all that the other end may send. */
export function typesSentBy(sender: 'dialer' | 'acceptor'): ReadonlySet<FrameType> {
  const types = TYPES_BY_CODE.filter((type) => type !== undefined);
  return new Set(
    types.filter((type) => !HANDSHAKE.includes(type) && [sender, 'both'].includes(FRAME_TYPES[type].sender)),
  );
}

function typesByCode(): (FrameType | undefined)[] {
  const types: (FrameType | undefined)[] = [];
  for (const [type, { code }] of Object.entries(FRAME_TYPES)) types[code] = type as FrameType;
  return types;
}
