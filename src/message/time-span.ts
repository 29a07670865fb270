/** .NET's text of a time span as NServiceBus writes it: `[d.]hh:mm:ss[.fffffff]`. */
export function formatTimeSpan(durationMs: number): string {
  const totalMs = Math.max(0, Math.round(durationMs));
  const days = Math.floor(totalMs / 86_400_000);
  const part = (value: number): string => String(value).padStart(2, '0');
  const time = [
    Math.floor(totalMs / 3_600_000) % 24,
    Math.floor(totalMs / 60_000) % 60,
    Math.floor(totalMs / 1000) % 60,
  ];
  const fraction = totalMs % 1000 === 0 ? '' : `.${String(totalMs % 1000).padStart(3, '0')}0000`;
  return `${days > 0 ? `${days}.` : ''}${time.map(part).join(':')}${fraction}`;
}

/** Reads such a text into milliseconds; `undefined` when it is not one. */
export function parseTimeSpan(text: string): number | undefined {
  const parts = /^(?:(\d{1,8})\.)?(\d\d):(\d\d):(\d\d)(?:\.(\d{1,7}))?$/.exec(text);
  if (parts === null) return undefined;
  const [days = '0', hours, minutes, seconds, fraction = '0'] = parts.slice(1);
  const wholeSeconds = ((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds);
  return wholeSeconds * 1000 + Math.floor(Number(`0.${fraction}`) * 1000);
}
