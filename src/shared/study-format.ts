/** A cell of a study's table as text: the same in a terminal and a window. */
import { bytes, count, millijoules, ms, percent, points } from './format.ts';
import type { StudyTable } from './study.ts';

export function studyCell(cell: StudyTable['rows'][number][number], kind: StudyTable['columns'][number]['kind']): string {
  if (cell === null) return '—';
  if (typeof cell === 'string') return cell;
  switch (kind) {
    case 'accuracy':
      return percent(cell);
    case 'gain':
      return points(cell);
    case 'ms':
      return ms(cell);
    case 'mj':
      return millijoules(cell);
    case 'bytes':
      return bytes(cell);
    case 'count':
      return count(cell);
    case 'ratio':
      return String(Number(cell.toPrecision(3)));
    case 'text':
      return String(cell);
  }
}
