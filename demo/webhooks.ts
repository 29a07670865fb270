import { createRequire } from 'node:module';

/** A webhook to send, with the id that follows it through the whole demo. */
export interface Webhook {
  readonly id: string;
  readonly event: string;
  readonly payload: Record<string, unknown>;
}

/** Every example payload of GitHub's webhooks, in all `rounds` times, mixed so that each kind of event comes all along. */
export function loadWebhooks(rounds: number): Webhook[] {
  // The package's main file is JSON.
  const definitions = createRequire(import.meta.url)('@octokit/webhooks-examples') as Definition[];
  const examples = definitions.flatMap(({ name, examples }) => examples.map((payload) => ({ event: name, payload })));
  const webhooks: Webhook[] = [];
  for (let round = 0; round < rounds; round++) {
    for (let index = 0; index < examples.length; index++) {
      const example = examples[(index * STRIDE) % examples.length];
      const id = `webhook-${String(webhooks.length + 1).padStart(5, '0')}`;
      if (example !== undefined) webhooks.push({ id, ...example });
    }
  }
  return webhooks;
}

interface Definition {
  readonly name: string;
  readonly examples: readonly Record<string, unknown>[];
}

/** Has no factor in common with the number of examples (7 × 47), so that every one is taken once a round. */
const STRIDE = 100;
