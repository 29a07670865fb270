import { testBranches } from './branch-conformance.ts';
import { testRecovery } from './recovery-conformance.ts';
import type { ResourceFeatures } from './resource-story.ts';

/** The obligations of resource managers, R1 to R7, against a real server, through a fault proxy. */
export function resourceConformance(features: ResourceFeatures): void {
  testBranches(features);
  testRecovery(features);
}
