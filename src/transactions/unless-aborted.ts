/**
 * What `answer` settles with, unless `signal` is aborted first: then it rejects with the signal's reason. What comes of
 * `answer` later is nobody's business any more.
 */
export function unlessAborted<Answer>(answer: Promise<Answer>, signal: AbortSignal | undefined): Promise<Answer> {
  if (signal === undefined) return answer;
  return new Promise((resolve, reject) => {
    const giveUp = (): void => reject(signal.reason);
    if (signal.aborted) giveUp();
    else signal.addEventListener('abort', giveUp, { once: true });
    answer.then(
      (result) => {
        signal.removeEventListener('abort', giveUp);
        resolve(result);
      },
      (error: unknown) => {
        signal.removeEventListener('abort', giveUp);
        reject(error);
      },
    );
  });
}
