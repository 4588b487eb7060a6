/** The zoo as one table of counts beside the published ones, for docs/networks.md. */
import type { Published } from '../../shared/network.ts';
import { networkIds, publishedOf, resolveNetwork } from './zoo.ts';

/** Markdown: a row for each listed network, and for each further source about it. */
export function zooTable(): string {
  const head = [
    'network',
    'MACs',
    'published',
    'parameters',
    'published',
    'top-1 / top-5, %',
    'latency, ms',
    'source of the published figures',
  ];
  const rows = networkIds.flatMap((id) => {
    const { graph, ref } = resolveNetwork({ id });
    const [first, ...others] = publishedOf(ref);
    return [
      [`\`${id}\``, exact(graph.macs), macsOf(first), exact(graph.params), paramsOf(first), ...restOf(first)],
      ...others.map((published) => ['', '', macsOf(published), '', paramsOf(published), ...restOf(published)]),
    ];
  });
  const rule = head.map((_, column) => (column >= 1 && column <= 4 ? '--:' : '---'));
  return [head, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}

function restOf(published: Published | undefined): string[] {
  if (!published) return ['', '', ''];
  const { top1, top5, latencies = [], source, note } = published;
  const percent = (value: number | undefined): string => (value === undefined ? '-' : String(Number((100 * value).toFixed(3))));
  return [
    top1 === undefined && top5 === undefined ? '' : `${percent(top1)} / ${percent(top5)}`,
    latencies.map(({ device, ms }) => `${ms} (${device})`).join('; '),
    note === undefined ? source : `${source}; ${note}`,
  ];
}

function macsOf(published: Published | undefined): string {
  return published?.macs === undefined ? '' : `${Number((published.macs / 1e6).toPrecision(12))} M`;
}

function paramsOf(published: Published | undefined): string {
  const params = published?.params;
  if (params === undefined) return '';
  return params % 1000 === 0 ? `${Number((params / 1e6).toPrecision(12))} M` : exact(params);
}

function exact(value: number): string {
  return value.toLocaleString('en-US');
}
