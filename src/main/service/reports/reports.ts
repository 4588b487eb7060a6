/** Reports of a run, of a comparison and of a study: gathered here, laid out by `run-report.ts` and `study-report.ts`. */
import type { Output, Parsed } from '../../../shared/contract.ts';
import { LatheError } from '../../../shared/errors.ts';
import { fileStem } from '../../../shared/tabular.ts';
import type { Store } from '../../store/types.ts';
import type { RunRecord } from '../run-record.ts';
import type { Studies } from '../studies/index.ts';
import type { Targets } from '../targets.ts';
import { runsReport, type ReportedRun } from './run-report.ts';
import { studyReport } from './study-report.ts';

export interface ReportsOptions {
  readonly store: Pick<Store, 'listTrials' | 'listMetrics'>;
  readonly runs: Pick<RunRecord, 'show'>;
  readonly studies: Pick<Studies, 'show'>;
  readonly targets: Pick<Targets, 'find'>;
}

export class Reports {
  private readonly options: ReportsOptions;

  constructor(options: ReportsOptions) {
    this.options = options;
  }

  /** One HTML document that needs nothing else. Throws LatheError not-found where what it is about is not there. */
  async make(input: Parsed<'report.make'>): Promise<Output<'report.make'>> {
    if (input.kind === 'study') {
      const report = await this.options.studies.show(input.id);
      return { fileName: `${fileStem(report.study.kind, report.study.id)}.html`, html: studyReport(report) };
    }
    const ids = input.kind === 'run' ? [input.id] : [...new Set(input.ids)];
    const runs = await Promise.all(ids.map(async (id) => await this.read(id)));
    return { fileName: `${fileStem(input.kind === 'run' ? 'run' : 'comparison', ...ids)}.html`, html: runsReport(runs) };
  }

  private async read(id: string): Promise<ReportedRun> {
    const { store } = this.options;
    const detail = await this.options.runs.show(id);
    return {
      detail,
      trials: await store.listTrials(id, 0, Number.MAX_SAFE_INTEGER),
      metrics: await store.listMetrics(id, 0),
      costOrigin: this.originOf(detail.manifest.method === 'train' ? null : detail.manifest.target),
    };
  }

  /** Where latency and energy come from; of a target that is not there any more no more than that. */
  private originOf(target: string | null): string {
    if (target === null) return 'no target';
    try {
      const info = this.options.targets.find(target).target;
      return info.law === 'table' ? `sum over latencies, ${info.calibration}` : `simulated, ${info.calibration}`;
    } catch (error) {
      if (error instanceof LatheError && error.code === 'not-found') return 'as the run recorded it';
      throw error;
    }
  }
}
