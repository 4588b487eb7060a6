/** Reports as files: of a run, of a comparison, of a study. */
import type { Input } from '../../shared/contract.ts';
import { bytes } from '../../shared/format.ts';
import { withService, type GlobalOptions } from './context.ts';
import { writeText } from './files.ts';
import { printJson, printLine } from './output.ts';

export async function writeReport(options: GlobalOptions, input: Input<'report.make'>, file: string): Promise<void> {
  const { html } = await withService(options, (service) => service.call('report.make', input));
  await writeText(file, html);
  const sizeBytes = Buffer.byteLength(html);
  if (options.json) printJson({ ...input, file, sizeBytes });
  else printLine(`${file}: ${bytes(sizeBytes)}, opens in any browser without a network`);
}
