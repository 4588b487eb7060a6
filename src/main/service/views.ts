/** Named views of the runs table, settings, and the filter language on this side of the contract. */
import type { Parsed } from '../../shared/contract.ts';
import { LatheError } from '../../shared/errors.ts';
import type { Filter } from '../../shared/filter/filter.ts';
import { FilterError, parseFilter } from '../../shared/filter/parse.ts';
import type { RunView, Settings } from '../../shared/view.ts';
import type { Store } from '../store/types.ts';
import type { EventBus } from './event-bus.ts';

export class Views {
  private readonly store: Store;
  private readonly bus: EventBus;

  constructor(store: Store, bus: EventBus) {
    this.store = store;
    this.bus = bus;
  }

  /** Makes a view or replaces the one of its id. Refuses a filter that means nothing. */
  async put(view: Parsed<'view.put'>): Promise<RunView> {
    requireFilter(view.filter);
    await this.store.putView(view);
    this.bus.emit({ name: 'view.changed', payload: { id: view.id } });
    return view;
  }

  async remove(id: string): Promise<{ id: string }> {
    await this.store.removeView(id);
    this.bus.emit({ name: 'view.changed', payload: { id } });
    return { id };
  }

  async changeSettings(settings: Parsed<'settings.change'>): Promise<Settings> {
    await this.store.putSettings(settings);
    return settings;
  }
}

/** The filter of a text; null: everything. Throws bad-input with the text and a caret under the place. */
export function requireFilter(text: string): Filter | null {
  try {
    return parseFilter(text);
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    throw new LatheError('bad-input', `filter, character ${error.offset + 1}: ${error.message}`, {
      offset: error.offset,
      length: error.length,
    });
  }
}
