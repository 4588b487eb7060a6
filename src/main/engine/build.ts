/** What this Lathe is built of: decides, with a run's manifest, every bit of its result. */
import { readFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { z } from 'zod';
import packageJson from '../../../package.json' with { type: 'json' };
import type { Build } from '../../shared/placement.ts';
import { engineProtocolVersion } from '../../shared/engine-messages.ts';
import type { EngineRequests } from './host.ts';
import { engineEntry } from './launcher.ts';

export const latheVersion: string = packageJson.version;

const addonInfoSchema = z.object({
  version: z.string(),
  simd: z.string(),
  simdLevels: z.array(z.string()),
  cores: z.number().int().positive(),
  threads: z.number().int().positive(),
  compiler: z.string(),
});
export type AddonInfo = z.infer<typeof addonInfoSchema>;

/** What the addon says of itself and of the machine, asked of an engine process. */
export async function describeAddon(requests: EngineRequests): Promise<AddonInfo> {
  return addonInfoSchema.parse(await requests.ask('describe', {}));
}

/** The build, at the SIMD level in use. Its `code` is the hash of the engine's entry: of a bundle, whose parts are named by their content, all of it. */
export function buildOf({ version, compiler, simd }: AddonInfo): Build {
  const code = createHash('sha256')
    .update(readFileSync(engineEntry()))
    .update(`protocol ${String(engineProtocolVersion)}`)
    .digest('hex')
    .slice(0, 12);
  return { lathe: latheVersion, addon: version, compiler, code, simd };
}
