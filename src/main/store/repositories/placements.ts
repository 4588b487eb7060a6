/** Tables placement (runs that were given to the queue) and home (which process receives what workers send). */
import type Database from 'better-sqlite3';
import { placementSchema, type Placement, type WorkerIdentity } from '../../../shared/placement.ts';
import { corruptRow, parseJson, recordOf } from '../rows.ts';
import type { HomeRecord, Owner } from '../types.ts';

type PlacementRow = Omit<Placement, 'isOpen' | 'isWorking' | 'worker'> & {
  readonly isOpen: number;
  readonly isWorking: number;
  readonly worker: string | null;
};

interface HomeRow {
  readonly id: string;
  readonly ownerPid: number | null;
  readonly ownerStartedAt: string | null;
  readonly ownerBootId: string | null;
}

const select = `SELECT run.id AS run, isOpen, submission, attempt, isWorking, seq, lost, lostInARow, worker, submittedAtMs,
  placement.startedAtMs AS startedAtMs FROM placement JOIN run ON run.key = placement.run`;

export class PlacementRepository {
  readonly #db: Database.Database;
  readonly #find: Database.Statement<[number], PlacementRow>;
  readonly #open: Database.Statement<[], PlacementRow>;
  readonly #place: Database.Statement<[number, number]>;
  readonly #begin: Database.Statement<[{ run: number; worker: string; atMs: number }]>;
  readonly #heard: Database.Statement<[{ run: number; seq: number; checkpoint: number }]>;
  readonly #release: Database.Statement<[{ run: number; lost: number }]>;
  readonly #close: Database.Statement<[number]>;

  constructor(db: Database.Database) {
    this.#db = db;
    this.#find = db.prepare(`${select} WHERE placement.run = ?`);
    this.#open = db.prepare(`${select} WHERE isOpen = 1 ORDER BY submittedAtMs, placement.run`);
    this.#place = db.prepare(`
      INSERT INTO placement (run, isOpen, submission, attempt, isWorking, seq, lost, lostInARow, submittedAtMs)
      VALUES (?, 1, 1, 0, 0, 0, 0, 0, ?)
      ON CONFLICT (run) DO UPDATE SET isOpen = 1, submission = submission + 1, isWorking = 0, lostInARow = 0, submittedAtMs = excluded.submittedAtMs`);
    this.#begin = db.prepare(`
      UPDATE placement SET attempt = attempt + 1, lost = lost + isWorking, lostInARow = lostInARow + isWorking, isWorking = 1, seq = 0,
        worker = @worker, startedAtMs = @atMs
      WHERE run = @run`);
    this.#heard = db.prepare(`
      UPDATE placement SET seq = @seq, lostInARow = CASE @checkpoint WHEN 1 THEN 0 ELSE lostInARow END WHERE run = @run`);
    this.#release = db.prepare('UPDATE placement SET isWorking = 0, lost = lost + @lost, lostInARow = lostInARow + @lost WHERE run = @run');
    this.#close = db.prepare('UPDATE placement SET isOpen = 0, isWorking = 0 WHERE run = ?');
  }

  /** Null for a run that was never given to the queue. */
  find(run: number): Placement | null {
    const row = this.#find.get(run);
    return row ? toPlacement(row) : null;
  }

  /** Those that the queue is to work on, the earliest first. */
  open(): Placement[] {
    return this.#open.all().map(toPlacement);
  }

  place(run: number, atMs: number): void {
    this.#place.run(run, atMs);
  }

  begin(run: number, worker: WorkerIdentity, atMs: number): void {
    this.#begin.run({ run, worker: JSON.stringify(worker), atMs });
  }

  heard(run: number, seq: number, hasCheckpoint: boolean): void {
    this.#heard.run({ run, seq, checkpoint: Number(hasCheckpoint) });
  }

  release(run: number, lost: boolean): void {
    this.#release.run({ run, lost: Number(lost) });
  }

  /** The queue is to work on it no more; harmless where it never was. */
  close(run: number): void {
    this.#close.run(run);
  }

  home(): HomeRecord {
    const row = this.#db.prepare<[], HomeRow>('SELECT id, ownerPid, ownerStartedAt, ownerBootId FROM home').get();
    if (!row) throw corruptRow({ table: 'home', row: '1' }, 'it is missing');
    const { id, ownerPid, ownerStartedAt, ownerBootId } = row;
    const owned = ownerPid !== null && ownerStartedAt !== null && ownerBootId !== null;
    return { id, owner: owned ? { pid: ownerPid, startedAt: ownerStartedAt, bootId: ownerBootId } : null };
  }

  setHome(owner: Owner | null): void {
    this.#db
      .prepare('UPDATE home SET ownerPid = ?, ownerStartedAt = ?, ownerBootId = ?')
      .run(owner?.pid ?? null, owner?.startedAt ?? null, owner?.bootId ?? null);
  }
}

function toPlacement(row: PlacementRow): Placement {
  return recordOf(placementSchema, { table: 'placement', row: row.run }, () => ({
    ...row,
    isOpen: row.isOpen === 1,
    isWorking: row.isWorking === 1,
    worker: row.worker === null ? null : parseJson(row.worker),
  }));
}
