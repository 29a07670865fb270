import type { Store } from '../../src/store/store.ts';
import { testOpening } from './opening-conformance.ts';
import { testReads } from './read-conformance.ts';
import { storeFixture } from './store-fixture.ts';
import { testUnits } from './unit-conformance.ts';

/**
 * What every store must do, whatever thread it runs on: the obligations S1 to S9 of src/store/store.ts, as far as they can
 * be shown without harming the disk (those that need that stand beside this file).
 */
export function testStore(name: string, open: (directory: string) => Promise<Store>): void {
  const fixture = storeFixture(open);
  testUnits(name, fixture);
  testReads(name, fixture);
  testOpening(name, fixture);
}
