/**
 * The table of the house: each folder of `src/` and the folders it may import, from the bottom up (DESIGN section 4).
 *
 * Imports run one way: a folder may only name folders that stand above it in this list. A folder that is not in the list
 * has no place yet: give it one here and in ARCHITECTURE.md. A file of the folder itself is always allowed.
 */
export const LAYERS: readonly Layer[] = [
  { folder: 'message', mayImport: [], holds: 'what travels: envelope, headers, address, contracts' },
  { folder: 'io', mayImport: [], holds: 'doors to clock, timers, randomness, files, sockets' },
  { folder: 'store', mayImport: ['message', 'io'], holds: 'units of work, durable' },
  { folder: 'transactions', mayImport: ['message', 'io', 'store'], holds: 'coordinator, branches, decisions' },
  { folder: 'transport', mayImport: ['message', 'transactions'], holds: 'the seam between endpoint and queueing' },
  {
    folder: 'queues',
    mayImport: ['message', 'io', 'store', 'transactions'],
    mayImportTypesOf: ['transport'],
    holds: 'queue manager: queues, locks, order, delay, expiry',
  },
  {
    folder: 'transfer',
    mayImport: ['message', 'io', 'store', 'transactions', 'queues'],
    mayImportTypesOf: ['transport'],
    holds: 'machine to machine: outgoing queues, streams, links, listener',
  },
  {
    folder: 'resources/shared',
    mayImport: ['message', 'io', 'transactions'],
    holds: 'what resource managers have in common: guards, deadlines, the look at a silent session',
  },
  {
    folder: 'resources/postgres',
    mayImport: ['message', 'io', 'transactions', 'resources/shared'],
    holds: 'PostgreSQL as a resource manager',
  },
  {
    folder: 'resources/mysql',
    mayImport: ['message', 'io', 'transactions', 'resources/shared'],
    holds: 'MariaDB and MySQL as resource managers',
  },
  {
    folder: 'routing',
    mayImport: ['message', 'transport'],
    mayImportTypesOf: ['transactions'],
    holds: 'which message goes where',
  },
  {
    folder: 'recoverability',
    mayImport: ['message', 'io', 'transactions', 'transport'],
    holds: 'retries and the error queue',
  },
  {
    folder: 'pipeline',
    mayImport: ['message', 'io', 'transactions', 'transport', 'routing', 'recoverability'],
    holds: 'the processing loop: one list of behaviors, in order',
  },
  {
    folder: 'keys',
    mayImport: ['message', 'io'],
    holds: 'a small certificate authority: keys and certificates of machines',
  },
  {
    folder: 'operations',
    mayImport: ['message', 'io', 'store', 'transactions', 'queues', 'transfer'],
    mayImportTypesOf: ['transport'],
    holds: 'what an operator can see and do, as one API',
  },
  {
    folder: 'transports/queue-manager',
    mayImport: ['message', 'io', 'transactions', 'queues', 'transport', 'routing'],
    holds: 'the seam, on a queue manager of this process',
  },
  {
    folder: 'transports/remote',
    mayImport: ['message', 'io', 'transactions', 'queues', 'transport', 'routing', 'operations'],
    holds: 'the seam, over the control socket of another process',
  },
  {
    folder: 'endpoint',
    mayImport: [
      'message',
      'io',
      'store',
      'transactions',
      'queues',
      'transport',
      'routing',
      'recoverability',
      'pipeline',
      'operations',
      'transports/queue-manager',
      'transports/remote',
    ],
    holds: 'composition root of an endpoint',
  },
  {
    folder: 'host',
    mayImport: ['message', 'io', 'queues', 'recoverability', 'operations', 'endpoint'],
    holds: 'generic host: load, start, stop, signals',
  },
  {
    folder: 'cli',
    mayImport: ['message', 'io', 'keys', 'operations', 'host', 'resources/postgres', 'resources/mysql'],
    mayImportTypesOf: ['endpoint', 'transfer', 'transactions'],
    holds: 'the terminal face of operations',
  },
  {
    folder: 'testing',
    mayImport: [
      'message',
      'io',
      'store',
      'transactions',
      'queues',
      'transport',
      'routing',
      'recoverability',
      'pipeline',
      'operations',
      'transports/queue-manager',
      'transports/remote',
      'endpoint',
    ],
    holds: "simulator doors, conformance suites, harness for users' tests",
  },
  {
    folder: 'exports',
    mayImport: 'everything',
    holds: 'public edges, one file per subpath; nothing inside imports them',
  },
];

export interface Layer {
  /** Below `src/`. */
  readonly folder: string;
  readonly mayImport: readonly string[] | 'everything';
  /** By `import type` only: the folder fulfils a seam of theirs, or passes on what is shaped by it. */
  readonly mayImportTypesOf?: readonly string[];
  readonly holds: string;
}

/** Where a running program begins: what nothing reaches from here is dead. */
export const ENTRIES: readonly string[] = ['src/exports/', 'src/cli/main.ts'];

/**
 * Leave to break a rule, each with its reason. `path` is a file, or a folder when it ends in `/`; `what` is the name that
 * the answer of the rule gives in quotes. One that nothing needs any more is refused.
 */
export const EXCEPTIONS: readonly Exception[] = [
  {
    path: 'src/host/load-endpoints.ts',
    rule: 'imports',
    what: 'import(…)',
    reason: 'The host loads the endpoint modules that its user names on the command line.',
  },
];

export interface Exception {
  readonly path: string;
  readonly rule: string;
  readonly what: string;
  readonly reason: string;
}

/** The layer that a file under `src/` belongs to; `undefined` when its folder is not in the table. */
export function layerOf(path: string): Layer | undefined {
  return LAYERS.find((layer) => path.startsWith(`src/${layer.folder}/`));
}
