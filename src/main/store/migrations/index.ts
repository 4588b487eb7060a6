/** All migrations, in order: the n-th brings a database of version n - 1 to version n. Those that were released never change. */
import type { Migration } from '../migrate.ts';
import { firstTables } from './0001-first-tables.ts';
import { trialOrigin } from './0002-trial-origin.ts';
import { networks } from './0003-networks.ts';
import { integerAccuracy } from './0004-integer-accuracy.ts';
import { trialOrigins } from './0005-trial-origins.ts';
import { latencyTables } from './0006-latency-tables.ts';
import { prune } from './0007-prune.ts';
import { studies } from './0008-studies.ts';
import { architectures } from './0009-architectures.ts';
import { fineTuning } from './0010-fine-tuning.ts';
import { pause } from './0011-pause.ts';
import { workbench } from './0012-workbench.ts';
import { quantizedNetwork } from './0013-quantized-network.ts';
import { stages } from './0014-stages.ts';
import { placements } from './0015-placements.ts';

export const migrations: readonly Migration[] = [
  firstTables,
  trialOrigin,
  networks,
  integerAccuracy,
  trialOrigins,
  latencyTables,
  prune,
  studies,
  architectures,
  fineTuning,
  pause,
  workbench,
  quantizedNetwork,
  stages,
  placements,
];
