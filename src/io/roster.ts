/**
 * Who is there now, in the order in which they came: for members that come and go thousands of times a second, a few hundred
 * of them at a time.
 *
 * A Set or a Map is the wrong thing for such. When one is full of what was deleted, V8 gives it a new table, and the old
 * one keeps a pointer to the new. Once a table has grown old, every later one hangs on it, and whoever was in a table when it
 * was given up: until the next full collection nothing of a message is freed, and the collector copies all of it twice
 * (measured: a fifth of the time of the program's thread, and as much of its helpers').
 */
export class Roster<Member> {
  readonly #members: Member[] = [];

  get size(): number {
    return this.#members.length;
  }

  /** Who came before all others that are there. */
  get first(): Member | undefined {
    return this.#members[0];
  }

  add(member: Member): void {
    this.#members.push(member);
  }

  /** False when it was not there. */
  remove(member: Member): boolean {
    const members = this.#members;
    const index = members.indexOf(member);
    if (index < 0) return false;
    for (let next = index + 1; next < members.length; next++) members[next - 1] = members[next] as Member;
    members.pop();
    return true;
  }

  find(isWanted: (member: Member) => boolean): Member | undefined {
    return this.#members.find(isWanted);
  }

  /** Those that are there now, whoever comes and goes meanwhile. */
  all(): Member[] {
    return [...this.#members];
  }
}
