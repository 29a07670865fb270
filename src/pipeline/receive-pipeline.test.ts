import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { silentLogger } from '../io/logger.ts';
import { nodeIo } from '../io/node-io.ts';
import { Routes } from '../routing/route.ts';
import type { SubscriptionStore } from '../routing/subscription-store.ts';
import type { Dispatcher } from '../transport/transport.ts';
import { HandlerRegistry } from './handler-registry.ts';
import { OutgoingPipeline } from './outgoing-pipeline.ts';
import { receivePipeline } from './receive-pipeline.ts';
import { Serializers } from './serializers.ts';

describe('the receive pipeline', () => {
  test('its behaviors stand in the approved order', () => {
    const io = nodeIo();
    const serializers = new Serializers([]);
    const ownQueue = { queue: 'sales' };
    const dispatcher: Dispatcher = { machine: 'alpha', admission: () => undefined, dispatch: async () => undefined };
    const subscriptions: SubscriptionStore = {
      subscribersOf: () => [],
      subscribe: async () => undefined,
      unsubscribe: async () => undefined,
    };
    const routes = new Routes([]);
    const outgoing = new OutgoingPipeline({
      io,
      dispatcher,
      serializers,
      routes,
      subscriptions,
      endpoint: 'sales',
      ownQueue,
    });
    const pipeline = receivePipeline({
      incoming: { endpoint: 'sales', ownQueue, dispatcher, outgoing, logger: silentLogger },
      newMessageId: () => io.random.uuid(),
      registry: new HandlerRegistry(),
      serializers,
      subscriptions,
      audit: { queue: { queue: 'audit' }, dispatcher, clock: io.clock, hostId: 'host' },
      physicalBehaviors: [
        async function incomingPhysical(_context, next) {
          await next();
        },
      ],
      logicalBehaviors: [
        async function incomingLogical(_context, next) {
          await next();
        },
      ],
    });
    const approved = readFileSync(new URL('./receive-pipeline.approved.txt', import.meta.url), 'utf8');
    assert.equal(`${pipeline.names.join('\n')}\n`, approved);
  });
});
