/** Machine names compare without regard to case, as DNS does. */
export function isSameMachine(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

/** Whether a certificate that proved `names` is the machine's. Only the whole name counts, no wildcard. */
export function isNamed(names: readonly string[], machine: string): boolean {
  return names.some((name) => isSameMachine(name, machine));
}
