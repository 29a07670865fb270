import { readFileSync } from 'node:fs';

/** Where the time of a thread went, from a profile of `--cpu-prof`: the functions with the most time of their own. */
export function describeProfile(path: string): string[] {
  const profile = JSON.parse(readFileSync(path, 'utf8')) as CpuProfile;
  const microsById = new Map<number, number>();
  for (const [index, id] of profile.samples.entries()) {
    microsById.set(id, (microsById.get(id) ?? 0) + (profile.timeDeltas[index] ?? 0));
  }
  const microsByFunction = new Map<string, number>();
  for (const { id, callFrame } of profile.nodes) {
    const name = nameOf(callFrame);
    microsByFunction.set(name, (microsByFunction.get(name) ?? 0) + (microsById.get(id) ?? 0));
  }
  const idle = microsByFunction.get('(idle)') ?? 0;
  microsByFunction.delete('(idle)');
  const busy = [...microsByFunction.values()].reduce((sum, micros) => sum + micros, 0);
  const longest = [...microsByFunction].sort(([, left], [, right]) => right - left).slice(0, SHOWN);
  return [
    `${path.split('/').at(-1)}: busy ${(busy / 1e6).toFixed(1)} s, idle ${(idle / 1e6).toFixed(1)} s; of the busy time`,
    ...longest.map(([name, micros]) => `  ${((100 * micros) / busy).toFixed(1).padStart(5)} %  ${name}`),
  ];
}

const SHOWN = 40;

function nameOf({ functionName, url, lineNumber }: CallFrame): string {
  const file = url.split('/').slice(-2).join('/');
  return file === '' ? functionName : `${functionName || '(anonymous)'} ${file}:${lineNumber + 1}`;
}

interface CpuProfile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: CallFrame }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

interface CallFrame {
  readonly functionName: string;
  readonly url: string;
  readonly lineNumber: number;
}
