import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';

/**
 * Who owns a store directory, for people and for processes that look for the owner's socket. The lock itself is
 * SQLite's: it dies with its process. This file beside it only names the holder, so a stale one is simply replaced; it stays
 * after a clean close, with `endedAt`, as a witness that there was a store here.
 */
export interface OwnerRecord {
  readonly pid: number;
  readonly host: string;
  /** Names the boot of the machine, where it can be told: a pid of another boot is somebody else's. */
  readonly bootId?: string;
  readonly startedAt: string;
  readonly purpose: OwnerPurpose;
  /** Where the owner's control socket is. */
  readonly socketPath?: string;
  readonly endedAt?: string;
}

export type OwnerPurpose = 'queue-manager' | 'cli';

export const OWNER_FILE = 'owner.json';

export function ownerRecordOfThisProcess(options: {
  readonly purpose: OwnerPurpose;
  readonly startedAtMs: number;
  readonly bootId: string | undefined;
  readonly socketPath: string | undefined;
}): OwnerRecord {
  return {
    pid: process.pid,
    host: hostname(),
    ...(options.bootId === undefined ? {} : { bootId: options.bootId }),
    startedAt: new Date(options.startedAtMs).toISOString(),
    purpose: options.purpose,
    ...(options.socketPath === undefined ? {} : { socketPath: options.socketPath }),
  };
}

/** The record in the directory; undefined when there is none that can be read. Says nothing about the lock. */
export function readOwnerRecord(directory: string): OwnerRecord | undefined {
  try {
    const parsed: unknown = JSON.parse(readFileSync(join(directory, OWNER_FILE), 'utf8'));
    return isOwnerRecord(parsed) ? parsed : undefined;
  } catch {
    // Absent, unreadable or cut off by a crash: the lock decides, this file only explains.
    return undefined;
  }
}

/** Replaces the record in one step, so that a reader never sees half of it. Only the holder of the lock may call it. */
export function writeOwnerRecord(directory: string, record: OwnerRecord): void {
  const path = join(directory, OWNER_FILE);
  writeFileSync(`${path}.new`, `${JSON.stringify(record, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/**
 * True when the record cannot be the present holder's: it ended, or its process is gone. Then the holder is one that
 * took the lock a moment ago and has not written its name yet.
 */
export function isStale(record: OwnerRecord | undefined, bootId: string | undefined): boolean {
  if (record === undefined || record.endedAt !== undefined) return true;
  if (record.host !== hostname()) return false;
  if (record.bootId !== undefined && bootId !== undefined && record.bootId !== bootId) return true;
  return !isProcessAlive(record.pid);
}

function isProcessAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: alive, and somebody else's.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function isOwnerRecord(value: unknown): value is OwnerRecord {
  if (typeof value !== 'object' || value === null) return false;
  const record: Partial<Record<keyof OwnerRecord, unknown>> = value;
  return typeof record.pid === 'number' && typeof record.host === 'string' && typeof record.purpose === 'string';
}
