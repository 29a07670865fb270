/**
 * Known bugs, as edits of the sources. Each text must occur exactly once in its file: when the code there changes, so must
 * these. The simulator is good for something only as long as it finds them.
 */
export const PLANTED_BUGS: readonly PlantedBug[] = [
  {
    name: 'acknowledge-before-sync',
    what: 'the receiver acknowledges before its unit is durable',
    edits: [
      {
        file: 'src/transfer/streams/incoming-stream.ts',
        find: `      failpoint('transfer.received-before-commit');\n`,
        replace: `      attachment.link.send({ type: 'acked', channel: attachment.channel, seq: row.last, refused: unit.refused });\n`,
      },
    ],
  },
  {
    name: 'no-digest-check',
    what: 'a sequence that both sides know is taken for the same messages',
    edits: [
      {
        file: 'src/transfer/streams/reconcile.ts',
        find: 'if (own === undefined || own !== receiver.digest) {',
        replace: 'if (own === undefined) {',
      },
    ],
  },
  {
    name: 'address-cached',
    what: 'the first answer for a name is kept for good',
    edits: [
      {
        file: 'src/transfer/transfer.ts',
        find: 'this.#peers = new Peers({ io, network, names,',
        replace: `const kept = new Map<string, ReturnType<typeof names.resolve>>();
    const cached = {
      resolve: (name: string, timeoutMs: number) => {
        const answer = kept.get(name) ?? names.resolve(name, timeoutMs);
        kept.set(name, answer);
        answer.catch(() => kept.delete(name));
        return answer;
      },
    };
    this.#peers = new Peers({ io, network, names: cached,`,
      },
    ],
  },
  {
    name: 'identity-not-checked',
    what: 'whoever answers is taken for the machine that was wanted',
    edits: [
      {
        file: 'src/transfer/links/open-link.ts',
        find: 'if (!isSameMachine(answered, machine)) {',
        replace: 'if (!isSameMachine(answered, answered)) {',
      },
      {
        file: 'src/transfer/links/accept-link.ts',
        find: 'find((name) => isSameMachine(name, hello.wanted))',
        replace: 'find((name) => isSameMachine(name, name) && hello.wanted !== undefined)',
      },
    ],
  },
  {
    name: 'backoff-never-reset',
    what: 'a success does not shorten the pauses after later failures',
    edits: [
      {
        file: 'src/transfer/peers/backoff.ts',
        find: '    this.#failures = 0;\n    this.#refusals = 0;\n',
        replace: '    this.#refusals = 0;\n',
      },
    ],
  },
  {
    name: 'pins-not-rebuilt',
    what: 'a message whose acknowledgement was lost may expire, be purged and moved after a restart',
    edits: [
      {
        file: 'src/queues/pins.ts',
        find: 'messages: await readUpTo(store, place, sentUpTo)',
        replace: 'messages: (await readUpTo(store, place, sentUpTo)).slice(0, 0)',
      },
    ],
  },
];

export interface PlantedBug {
  readonly name: string;
  readonly what: string;
  readonly edits: readonly { readonly file: string; readonly find: string; readonly replace: string }[];
}
