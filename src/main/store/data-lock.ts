/**
 * Who has a data folder open: `lathe.lock`, an empty SQLite file that every open store reads from (a shared lock) and that
 * only one who replaces the database writes to (an exclusive one). The system drops both with the process, however it ends.
 */
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { LatheError } from '../../shared/errors.ts';

export class DataLock {
  readonly #dataDir: string;
  readonly #db: Database.Database;

  /** Makes the file where it is missing. Holds nothing yet. */
  constructor(dataDir: string) {
    this.#dataDir = dataDir;
    this.#db = new Database(join(dataDir, 'lathe.lock'), { timeout: 0 });
  }

  /** Whether nobody else has the data folder open, in which case nobody can open it until `share` or `release`. */
  tryAlone(): boolean {
    this.release();
    try {
      this.#db.exec('BEGIN EXCLUSIVE');
      return true;
    } catch (error) {
      if (isBusy(error) || isReadOnly(error)) return false;
      throw error;
    }
  }

  /** As `tryAlone`; throws `conflict` when another process has the data folder open. */
  requireAlone(what: string): void {
    if (this.tryAlone()) return;
    throw new LatheError('conflict', `${this.#dataDir} is open in another Lathe: close it (window, serve or command), then ${what}`);
  }

  /** Has the data folder open beside others; waits while one of them replaces the database. */
  share(patienceMs: number): void {
    this.release();
    this.#db.pragma(`busy_timeout = ${patienceMs}`);
    try {
      this.#db.exec('BEGIN');
      this.#db.prepare('SELECT count(*) FROM sqlite_schema').get();
    } catch (error) {
      this.release();
      if (isBusy(error))
        throw new LatheError(
          'conflict',
          `${this.#dataDir} is being restored or repaired by another Lathe: wait until it is done, then try again`,
        );
      throw error;
    } finally {
      this.#db.pragma('busy_timeout = 0');
    }
  }

  release(): void {
    if (this.#db.inTransaction) this.#db.exec('ROLLBACK');
  }

  close(): void {
    this.#db.close();
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY');
}

/** Another user's lock file can be shared but not taken alone. */
function isReadOnly(error: unknown): boolean {
  return error instanceof Database.SqliteError && error.code.startsWith('SQLITE_READONLY');
}
