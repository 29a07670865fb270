import { POSTGRES } from './postgres-story.ts';
import { resourceConformance } from './resource-conformance.ts';

resourceConformance({
  ...POSTGRES,
  byHand: [
    'commit',
    'rollback',
    'begin',
    'start transaction',
    'end',
    'abort',
    "prepare transaction 'mine'",
    "commit prepared 'mine'",
    "rollback prepared 'mine'",
    'select 1; commit; begin',
    '/* neat */ commit and chain',
    'rollback and chain',
    "set local posthorn.transaction = ''",
    'reset all',
  ],
});
