/** Which server it is, as `version()` says it: '10.11.19-MariaDB-0+deb12u1', '8.0.36'. */
export interface ServerVersion {
  readonly flavor: 'mariadb' | 'mysql';
  readonly major: number;
  readonly minor: number;
  /** For people: 'MariaDB 10.11.19'. */
  readonly text: string;
}

export function readServerVersion(version: string): ServerVersion {
  const flavor = /mariadb/i.test(version) ? 'mariadb' : 'mysql';
  // MariaDB may show a prefix that old clients needed: '5.5.5-10.11.19-MariaDB'.
  const numbers = version.replace(/^5\.5\.5-(?=\d+\.\d+\.\d+-MariaDB)/i, '').match(/\d+/g) ?? [];
  const [major = 0, minor = 0, patch = 0] = numbers.slice(0, 3).map(Number);
  return { flavor, major, minor, text: `${flavor === 'mariadb' ? 'MariaDB' : 'MySQL'} ${major}.${minor}.${patch}` };
}

/** Before these, prepared branches are rolled back when their connection ends (MDEV-742; MySQL 5.7 and older). */
export function keepsPreparedBranches({ flavor, major, minor }: ServerVersion): boolean {
  return flavor === 'mariadb' ? major > 10 || (major === 10 && minor >= 5) : major >= 8;
}
