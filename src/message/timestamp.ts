/**
 * NServiceBus' timestamp: `yyyy-MM-dd HH:mm:ss:ffffff Z`. Not ISO 8601: a colon stands before the microseconds and a
 * space before the Z (nservicebus-and-msmq.md 1.4). `wallMs` is Unix time in milliseconds.
 */
export function formatTimestamp(wallMs: number): string {
  if (wallMs !== lastWallMs) {
    const iso = new Date(wallMs).toISOString();
    lastWallMs = wallMs;
    lastText = `${iso.slice(0, 10)} ${iso.slice(11, 19)}:${iso.slice(20, 23)}000 Z`;
  }
  return lastText;
}

/** Many messages are sent within one millisecond: the text of the last one asked for is kept. */
let lastWallMs = Number.NaN;
let lastText = '';

/** Reads `formatTimestamp`'s text; `undefined` when it is not one. Result in Unix milliseconds. */
export function parseTimestamp(text: string): number | undefined {
  const parts = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d):(\d{3})\d{3} Z$/.exec(text);
  if (parts === null) return undefined;
  const wallMs = Date.parse(`${parts[1]}T${parts[2]}.${parts[3]}Z`);
  return Number.isNaN(wallMs) ? undefined : wallMs;
}
