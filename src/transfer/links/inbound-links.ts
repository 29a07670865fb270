import type { Timers } from '../../io/io.ts';
import type { Hello } from '../wire/frames.ts';
import type { AcceptedLink, Refusal } from './accept-link.ts';
import { DUPLICATE_PROOF_MS, INBOUND_LINKS_MAX, INBOUND_LINKS_PER_MACHINE_MAX } from './limits.ts';
import type { Link } from './link.ts';
import { isSameMachine } from './machine-names.ts';

/**
 * The links that other machines hold to this one: one for each store and each name under which it dials us (a machine
 * that is known here by two names is dialled by two peers of one store, and neither may push out the other).
 *
 *     newcomer of a known store:  same process ──▶ replaces the old link (make before break)
 *                                 another one  ──▶ the old is asked: it answers within 2 s ──▶ DUPLICATE_STORE
 *                                                                    it does not           ──▶ the newcomer takes over
 *
 * Two living processes with one store are a copied directory. A process that died without a word leaves a link that does
 * not answer, and the 2 seconds are what its successor waits.
 */
export class InboundLinks {
  readonly #timers: Timers;
  readonly #byDialer = new Map<string, Link>();
  readonly #open = new Map<Link, string>();
  #whenEmpty: (() => void)[] = [];

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Those that were taken and are not closed, replaced ones included while they close. */
  get links(): readonly Link[] {
    return [...this.#open.keys()];
  }

  /** Whether the newcomer may come in; see above. */
  async admit(hello: Hello): Promise<Refusal | undefined> {
    const key = keyOf(hello);
    const { machine, instanceId } = hello.identity;
    for (let old = this.#byDialer.get(key); old !== undefined; old = this.#otherThan(old, key)) {
      if (old.peer.instanceId === instanceId) return undefined;
      if (await this.#isAlive(old)) {
        return {
          code: 'DUPLICATE_STORE',
          text: `'${machine}' is connected from ${old.remoteAddress} by another process that lives and has the same store: its directory was copied.`,
        };
      }
    }
    if (this.#byDialer.has(key)) return undefined;
    const count = this.#countProved(machine);
    if (count >= INBOUND_LINKS_PER_MACHINE_MAX) {
      const text = `'${machine}' has ${count} links here already, of other stores, which is the limit.`;
      return { code: 'TOO_MANY_CONNECTIONS', text };
    }
    if (this.#open.size < INBOUND_LINKS_MAX) return undefined;
    return { code: 'TOO_MANY_CONNECTIONS', text: `${this.#open.size} links are open here, which is the limit.` };
  }

  /** Without a certificate a name proves nothing: a stranger could use up what is another's. */
  #countProved(machine: string): number {
    let count = 0;
    for (const { isEncrypted, peer } of this.#open.keys()) {
      if (isEncrypted && isSameMachine(peer.machine, machine)) count++;
    }
    return count;
  }

  /** The newcomer is in: any link before it of the same store is closed. */
  add({ link, hello }: AcceptedLink): void {
    const key = keyOf(hello);
    const old = this.#byDialer.get(key);
    this.#byDialer.set(key, link);
    this.#open.set(link, key);
    old?.close('REPLACED', `'${hello.identity.machine}' has connected anew, from ${link.remoteAddress}.`);
  }

  remove(link: Link): void {
    const key = this.#open.get(link);
    if (key === undefined) return;
    this.#open.delete(link);
    if (this.#byDialer.get(key) === link) this.#byDialer.delete(key);
    if (this.#open.size > 0) return;
    for (const resolve of this.#whenEmpty.splice(0)) resolve();
  }

  /** Closes all; resolves when they are. */
  close(text: string): Promise<void> {
    for (const link of this.#open.keys()) link.close('SHUTTING_DOWN', text);
    if (this.#open.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenEmpty.push(resolve));
  }

  /** The one that has come in while another was asked. */
  #otherThan(asked: Link, key: string): Link | undefined {
    const current = this.#byDialer.get(key);
    return current === asked ? undefined : current;
  }

  #isAlive(link: Link): Promise<boolean> {
    return new Promise((resolve) => {
      const deadline = this.#timers.after(DUPLICATE_PROOF_MS, () => resolve(false));
      const settle = (isAlive: boolean): void => {
        deadline.cancel();
        resolve(isAlive);
      };
      link.ping().then(
        () => settle(true),
        () => settle(false),
      );
    });
  }
}

function keyOf(hello: Hello): string {
  return `${hello.identity.storeId} ${hello.wanted.toLowerCase()}`;
}
