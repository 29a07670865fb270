import { fork } from 'node:child_process';

/** A program of the bench in a process of its own, so that its memory and its processor time are its own. */
export class BenchChild implements AsyncDisposable {
  readonly #child;
  readonly #exited = Promise.withResolvers<void>();
  readonly #waiting: { resolve(answer: unknown): void; reject(error: Error): void }[] = [];

  /** @param program - file name beside this one */
  constructor(program: string, programArguments: readonly string[], execArgv: readonly string[] = []) {
    const url = new URL(program, import.meta.url);
    this.#child = fork(url, programArguments, {
      execArgv: [...process.execArgv, ...execArgv],
      serialization: 'advanced',
    });
    this.#child.on('message', (message) => this.#waiting.shift()?.resolve((message as { answer: unknown }).answer));
    this.#child.on('exit', (code, signal) => {
      this.#exited.resolve();
      const error = new Error(`${program} ended with ${signal ?? `code ${code}`}.`);
      for (const { reject } of this.#waiting.splice(0)) reject(error);
    });
  }

  get pid(): number {
    return this.#child.pid ?? Number.NaN;
  }

  /** Asks for one of the things that the program can do; answers come in the order of the questions. */
  ask<Answer>(command: string, argument?: unknown): Promise<Answer> {
    return new Promise<Answer>((resolve, reject) => {
      this.#waiting.push({ resolve: (answer) => resolve(answer as Answer), reject });
      this.#child.send({ command, argument });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    await this.#exited.promise;
  }
}

/** The child's side: answers each command with the result of the action of that name. */
export function answerParent(actions: Readonly<Record<string, (argument: never) => unknown>>): void {
  process.on('message', async ({ command, argument }: { command: string; argument: unknown }) => {
    const action = actions[command] as ((argument: unknown) => unknown) | undefined;
    if (action === undefined) throw new Error(`Nothing here answers '${command}'.`);
    process.send?.({ answer: await action(argument) });
  });
}
