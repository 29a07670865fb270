import { NodeTooOld } from './errors.ts';

/** That of "engines" in package.json, and of bin/posthorn.js; tests compare them. */
const NODE_MAJOR_MIN = 24;

/**
 * Older ones have no SQLite, or one that does less: the store's thread would end with a sentence about a module.
 *
 * @throws {NodeTooOld}
 */
export function requireNode(): void {
  const { node } = process.versions;
  if (Number(node.split('.')[0]) < NODE_MAJOR_MIN) throw new NodeTooOld(node, NODE_MAJOR_MIN);
}
