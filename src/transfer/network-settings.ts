import type { TlsMaterial } from '../io/network.ts';

/** How this machine reaches others and is reached; from the options of `QueueManager.open` and the directory's `network.json`. */
export interface NetworkSettings {
  /** Absent: nobody can connect; this machine still sends. */
  readonly listen: ListenSettings | undefined;
  /** Where machines are reached when their name alone does not say it: `host`, `host:port`, lower-case machine name first. */
  readonly machines: ReadonlyMap<string, { readonly host: string; readonly port: number }>;
  /** For machines that `machines` does not name. */
  readonly port: number;
  /** Names besides the machine's own under which mail is taken. */
  readonly aliases: readonly string[];
  /** Where key, certificate and authorities lie; read again when they change. Undefined: no TLS. */
  readonly tls: TlsFiles | undefined;
  /** Leave to talk beyond loopback without TLS. */
  readonly allowPlaintext: boolean;
  /** A file of `address name…` lines that is asked before the hosts file and DNS. */
  readonly namesFile: string | undefined;
  /** How long after the start a missing queue may still be made by its endpoint. */
  readonly missingQueueGraceMs: number;
}

export interface ListenSettings {
  /** Absent: `::` with TLS or `allowPlaintext`, else 127.0.0.1 and ::1. */
  readonly address: string | undefined;
  readonly port: number;
}

export interface TlsFiles {
  readonly key: string;
  readonly certificate: string;
  readonly authorities: string;
}

/** What TLS uses at the moment; `changed` runs when the files were read again. */
export interface TlsSource {
  readonly material: TlsMaterial;
  onChange(changed: (material: TlsMaterial) => void): void;
}

export const PORT_DEFAULT = 1801;
export const MISSING_QUEUE_GRACE_MS = 30_000;
