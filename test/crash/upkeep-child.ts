/** A process for crash tests: `upkeep-child.ts DATA-DIR backup|repair|restore [BACKUP]`, which a failpoint ends in the middle. */
import { makeBackup } from '../../src/main/store/backup/make.ts';
import { repairDatabase, restoreBackup } from '../../src/main/store/backup/recover.ts';

const [dataDir = '', what = '', backup = ''] = process.argv.slice(2);
if (what === 'backup') await makeBackup({ dataDir, folder: null, kind: 'asked', lathe: '9.9.9', atMs: 1_700_000_000_000 });
else if (what === 'repair') await repairDatabase(dataDir, 'a test says so', 1_700_000_000_001);
else await restoreBackup(dataDir, backup, 1_700_000_000_001);
