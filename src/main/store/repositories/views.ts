/** Tables view and settings: how a user looks at runs, and what is decided once for all. */
import type Database from 'better-sqlite3';
import { runViewSchema, settingsSchema, type RunView, type Settings } from '../../../shared/view.ts';
import { parseJson, recordOf } from '../rows.ts';

export class ViewRepository {
  readonly #db: Database.Database;

  constructor(db: Database.Database) {
    this.#db = db;
  }

  /** By their names. */
  list(): RunView[] {
    return this.#db
      .prepare<[], { id: string; record: string }>('SELECT id, record FROM view')
      .all()
      .map(({ id, record }) => recordOf(runViewSchema, { table: 'view', row: id }, () => parseJson(record)))
      .sort((a, b) => a.name.localeCompare(b.name, 'en') || (a.id < b.id ? -1 : 1));
  }

  put(view: RunView): void {
    this.#db.prepare('REPLACE INTO view (id, record) VALUES (?, ?)').run(view.id, JSON.stringify(view));
  }

  /** Whether there was one. */
  remove(id: string): boolean {
    return this.#db.prepare('DELETE FROM view WHERE id = ?').run(id).changes > 0;
  }

  settings(): Settings {
    const record = this.#db.prepare<[], string>('SELECT record FROM settings').pluck().get() ?? '{}';
    return recordOf(settingsSchema, { table: 'settings', row: '1' }, () => parseJson(record));
  }

  putSettings(settings: Settings): void {
    this.#db.prepare('REPLACE INTO settings (key, record) VALUES (1, ?)').run(JSON.stringify(settings));
  }
}
