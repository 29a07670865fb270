import type { DistributedParts } from '../pipeline/distributed-work.ts';
import type { OutgoingPipeline } from '../pipeline/outgoing-pipeline.ts';
import { ProgramTransactions } from '../pipeline/program-transactions.ts';
import type { Transport } from '../transport/transport.ts';
import { EndpointSendOnly } from './errors.ts';
import type { ResolvedOptions } from './resolve-options.ts';
import { ResourceUses } from './resource-uses.ts';

/** What a started endpoint needs for transactions over queues and databases: its messages' and the program's. */
export interface Transacting {
  readonly distributed: DistributedParts;
  readonly uses: ResourceUses;
  readonly programs: ProgramTransactions;
}

/** @throws as `TransactionCoordinator.use` */
export async function startTransacting(parts: TransactingParts): Promise<Transacting> {
  const { endpoint, options, concurrency, outgoing } = parts;
  const { coordinator } = parts.transport;
  const { mode, resources, isolationLevel, protocol, sendsVisible, timeoutMs, io, logger, isSendOnly } = options;
  const distributed = { coordinator, endpoint, resources, isolationLevel, protocol, sendsVisible, timeoutMs };
  const hasHandlers = !isSendOnly;
  const uses = await ResourceUses.begin({ coordinator, endpoint, resources, mode, protocol, concurrency, hasHandlers });
  const programs = new ProgramTransactions({
    distributed,
    concurrency,
    outgoing,
    io,
    logger,
    ready: () => uses.readyForPrograms(),
    checkSendLocal: () => {
      if (isSendOnly) throw new EndpointSendOnly(endpoint, 'sendLocal()');
    },
  });
  return { distributed, uses, programs };
}

export interface TransactingParts {
  readonly endpoint: string;
  readonly options: ResolvedOptions;
  readonly concurrency: number;
  readonly transport: Transport;
  readonly outgoing: OutgoingPipeline;
}
