import type { Timers } from '../../io/io.ts';

/** What `promise` settles with, if it does so in time. What it becomes later is nobody's business any more. */
export function within<Result>(promise: Promise<Result>, { timers, timeoutMs, tooLate }: Deadline): Promise<Result> {
  return new Promise((resolve, reject) => {
    const deadline = timers.after(timeoutMs, () => reject(tooLate()), { keepsProcessAlive: true });
    promise.then(
      (result) => {
        deadline.cancel();
        resolve(result);
      },
      (error: unknown) => {
        deadline.cancel();
        reject(error);
      },
    );
  });
}

export interface Deadline {
  readonly timers: Timers;
  readonly timeoutMs: number;
  tooLate(): Error;
}
