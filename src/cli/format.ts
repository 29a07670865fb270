/** `812 B`, `1.2 KiB`, `34 MiB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < BYTE_UNITS.length) {
    value /= 1024;
    unit++;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${BYTE_UNITS[unit - 1]}`;
}

const BYTE_UNITS = ['KiB', 'MiB', 'GiB', 'TiB'];

/** A span in its largest unit, rounded down: `12s`, `3m`, `5h`, `2d`; `now` below a second. */
export function formatAge(ageMs: number | undefined): string {
  if (ageMs === undefined) return '';
  if (ageMs < 1000) return 'now';
  const unit = AGE_UNITS.find((candidate) => ageMs >= candidate.ms) ?? AGE_UNITS[AGE_UNITS.length - 1];
  return unit === undefined ? '' : `${Math.floor(ageMs / unit.ms)}${unit.name}`;
}

/** The same after 'for': there is no 'for now'. */
export function formatSpan(spanMs: number): string {
  return spanMs < 1000 ? 'less than a second' : formatAge(spanMs);
}

const AGE_UNITS = [
  { name: 'd', ms: 86_400_000 },
  { name: 'h', ms: 3_600_000 },
  { name: 'm', ms: 60_000 },
  { name: 's', ms: 1000 },
];

/** `1,234,567`. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `1 message`, `2 messages`. */
export function countOf(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/** ISO 8601 in UTC; undefined stays undefined, for JSON. */
export function isoTime(wallMs: number | undefined): string | undefined {
  return wallMs === undefined ? undefined : new Date(wallMs).toISOString();
}

/** `2026-03-01 12:00:05 UTC`, to the second, for people. */
export function readableTime(wallMs: number | undefined): string {
  return wallMs === undefined ? 'unknown' : `${new Date(wallMs).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
