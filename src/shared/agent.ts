/** Parameters of the agent (DDPG) that every search by reinforcement learning asks. */
import { z } from 'zod';

/** DDPG as HAQ's released code sets it; deviations are numbered in docs/algorithms/haq.md. */
export const agentParametersSchema = z.object({
  hiddenUnits: z.number().int().min(1).max(4096).default(300),
  actorLearningRate: z.number().positive().default(1e-4),
  criticLearningRate: z.number().positive().default(1e-3),
  batchSize: z.number().int().min(1).max(4096).default(64),
  replayPerLayer: z.number().int().min(1).default(128), // replay holds this many transitions a quantizable layer
  discount: z.number().min(0).max(1).default(1),
  tau: z.number().positive().max(1).default(0.01), // soft update of the target networks
  baselineDecay: z.number().min(0).max(1).default(0.5), // moving average of the batch-mean reward
  warmupTrials: z.number().int().min(0).default(20),
  initialNoise: z.number().min(0).default(0.5), // sigma of the truncated normal
  noiseDecay: z.number().positive().max(1).default(0.99), // a trial
});
export type AgentParameters = z.infer<typeof agentParametersSchema>;
