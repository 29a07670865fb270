/** A place where a house rule is broken, and how to put it right. */
export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly rule: RuleName;
  /** The one thing that was found, as an exception would name it. */
  readonly what: string;
  /** A sentence without its end: why this may not be. */
  readonly because: string;
  readonly mend: string;
}

export type RuleName =
  | 'layers'
  | 'cycles'
  | 'imports'
  | 'packages'
  | 're-exports'
  | 'dead files'
  | 'size'
  | 'doors'
  | 'sleep'
  | 'types'
  | 'errors'
  | 'reasons';

/** One line that tells the place, the rule, and the mend. */
export function describeFinding(finding: Finding): string {
  return `${finding.path}:${finding.line} [${finding.rule}] '${finding.what}': ${finding.because}. ${finding.mend}`;
}
