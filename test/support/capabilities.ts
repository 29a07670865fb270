import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';

/** What a machine may lack. Tests that need one say so through `requireCapability`. */
export type Capability =
  | 'tmpfs'
  | 'sync-faults'
  | 'netns'
  | 'own-address'
  | 'other-user'
  | 'terminal'
  | 'postgres'
  | 'mariadb';

/**
 * True when the machine has the capability. Otherwise the test is skipped, with the reason in words that the runner lists
 * at the end; or it fails, when POSTHORN_REQUIRE (comma-separated) names the capability.
 *
 * @param probe - returns why the machine lacks it, or undefined when it is there
 */
export function requireCapability(t: TestContext, capability: Capability, probe: () => string | undefined): boolean {
  const missing = probe();
  if (missing === undefined) return true;
  const text = `capability ${capability} missing: ${missing}`;
  assert.ok(!requiredCapabilities().has(capability), `${text} (POSTHORN_REQUIRE names it)`);
  t.skip(text);
  return false;
}

function requiredCapabilities(): ReadonlySet<string> {
  const names = process.env.POSTHORN_REQUIRE ?? '';
  return new Set(names.split(',').map((name) => name.trim()));
}
