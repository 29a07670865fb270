import { backlogRow } from './backlog-row.ts';
import { connectedIdleRow } from './connected-idle-row.ts';
import { deadPeersRow } from './dead-peers-row.ts';
import { distributedRow } from './distributed-row.ts';
import { groupRow } from './group-row.ts';
import { handlerRow } from './handler-row.ts';
import { idleRow } from './idle-row.ts';
import type { Row } from './row.ts';
import { sendRow } from './send-row.ts';
import { transferBacklogRow } from './transfer-backlog-row.ts';
import { transferRow } from './transfer-row.ts';
import { unawaitedRow } from './unawaited-row.ts';

/** The table of DESIGN section 7 as far as it is built, and bounds of memory, delay and idleness beside it. */
export const ROWS: readonly Row[] = [
  handlerRow({ name: 'handler_64', concurrency: 64, mustRatio: 0.3, aimRatio: 0.5, roundMessagesMax: 50_000 }),
  handlerRow({ name: 'handler_1', concurrency: 1, mustRatio: 0.55, aimRatio: 0.8, roundMessagesMax: 5_000 }),
  sendRow,
  backlogRow,
  idleRow,
  groupRow,
  unawaitedRow,
  transferRow,
  transferBacklogRow,
  deadPeersRow,
  connectedIdleRow,
  distributedRow({
    name: 'distributed_marker_16',
    databases: ['postgres'],
    mustRatio: 0.6,
    aimRatio: 0.8,
    roundMessages: 5_000,
  }),
  distributedRow({
    name: 'distributed_2pc_16',
    databases: ['postgres', 'mariadb'],
    mustRatio: 0.6,
    aimRatio: 0.85,
    roundMessages: 2_000,
  }),
];
