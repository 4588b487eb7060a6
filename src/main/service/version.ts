/** Lathe's own version. */
import packageJson from '../../../package.json' with { type: 'json' };

export const latheVersion: string = packageJson.version;
