import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY } from './repository-files.ts';

/** The part of a package-lock.json that is read and completed here. */
export interface Lock {
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

interface LockedPackage {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
}

/**
 * Names the builds for other platforms that a lock file lacks, by what they would be locked as.
 *
 * `npm install` leaves out optional packages that its registry does not have (a mirror with Linux builds only, say), and
 * `npm ci` then refuses the lock. The entries need no checksum: nobody installs them but on their own platform.
 */
export function missingPlatformPackages(lock: Lock): Record<string, LockedPackage> {
  const missing: Record<string, LockedPackage> = {};
  for (const [path, { dev, optionalDependencies = {} }] of Object.entries(lock.packages)) {
    for (const [name, version] of Object.entries(optionalDependencies)) {
      if (`node_modules/${name}` in lock.packages || `${path}/node_modules/${name}` in lock.packages) continue;
      // Such names end in the platform: cli-linux-x64-musl, msgpackr-extract-darwin-arm64.
      const [, os = '', cpu = '', libc] = /-(android|darwin|linux|win32|freebsd)-(\w+?)(?:-(\w+))?$/.exec(name) ?? [];
      const platform = {
        cpu: [cpu],
        ...(dev === true ? { dev } : {}),
        ...(libc === undefined ? {} : { libc: [libc] }),
      };
      missing[`node_modules/${name}`] = { version, ...platform, optional: true, os: [os] };
    }
  }
  return missing;
}

/** `node tools/complete-lock.ts`, after an `npm install` that left something out. */
if (import.meta.main) {
  const path = join(REPOSITORY, 'package-lock.json');
  const lock = JSON.parse(readFileSync(path, 'utf8'));
  const missing = missingPlatformPackages(lock);
  const packages = Object.entries({ ...lock.packages, ...missing }).sort(([left], [right]) =>
    left.localeCompare(right, 'en'),
  );
  writeFileSync(path, `${JSON.stringify({ ...lock, packages: Object.fromEntries(packages) }, undefined, 2)}\n`);
  console.log(`Added to package-lock.json: ${Object.keys(missing).join(', ') || 'nothing, it is complete'}`);
}
