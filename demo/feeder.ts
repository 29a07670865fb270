import { Endpoint, isPosthornError, route } from 'posthorn';
import { ReceiveWebhook } from './contracts.ts';
import type { Webhook } from './webhooks.ts';

/**
 * Sends webhooks from a process of its own: a send-only endpoint on the host's directory, through its control socket.
 *
 * A send resolves after the host's disk has the message. When the host dies meanwhile, the endpoint repeats the send to the
 * next one under the same name, and it is stored once.
 */
export class Feeder {
  /** Ids of the webhooks whose `send` resolved. */
  readonly accepted = new Set<string>();
  /** Sends whose answer was lost for good: they may be there or not. */
  readonly unknown = new Set<string>();
  readonly #endpoint: Endpoint;

  constructor(directory: string) {
    this.#endpoint = new Endpoint('github', { sendOnly: true, directory, routes: [route(ReceiveWebhook, 'intake')] });
  }

  /** About `perSecond` webhooks a second; resolves when the last one was accepted. */
  async feed(webhooks: readonly Webhook[], perSecond: number): Promise<void> {
    await this.#endpoint.start();
    const startedMs = performance.now();
    const sends: Promise<void>[] = [];
    for (const [index, webhook] of webhooks.entries()) {
      const aheadMs = (index / perSecond) * 1000 - (performance.now() - startedMs);
      if (aheadMs > 5) await new Promise((resolve) => setTimeout(resolve, aheadMs));
      sends.push(this.#send(webhook));
    }
    await Promise.all(sends);
    await this.#endpoint.stop();
  }

  async #send({ id, event, payload }: Webhook): Promise<void> {
    try {
      await this.#endpoint.send(ReceiveWebhook, { event, payload }, { messageId: id });
      this.accepted.add(id);
    } catch (error) {
      if (!isPosthornError(error, 'OUTCOME_UNKNOWN')) throw error;
      this.unknown.add(id);
    }
  }
}
