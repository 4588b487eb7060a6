/** Budgets as a person writes them: `latency=0.6`, `latency=12.5ms`, `energy=3mJ`, `size=1.2MB`, `macs=150M`, `params=2M`. */
import { LatheError } from '../../shared/errors.ts';
import { resourceSchema, type Budget, type Resource } from '../../shared/policy.ts';

/** Units of each resource, as a multiple of the one that limits are kept in. */
const units: Readonly<Record<Resource, Readonly<Record<string, number>>>> = {
  latency: { us: 1e-3, ms: 1, s: 1e3 },
  energy: { uj: 1e-3, mj: 1, j: 1e3 },
  size: { b: 1, kb: 1e3, mb: 1e6, gb: 1e9 },
  macs: { k: 1e3, m: 1e6, g: 1e9 },
  params: { k: 1e3, m: 1e6, g: 1e9 },
};
const example: Readonly<Record<Resource, string>> = {
  latency: 'latency=0.6 or latency=12.5ms',
  energy: 'energy=0.6 or energy=3mJ',
  size: 'size=0.6 or size=1.2MB',
  macs: 'macs=0.5 or macs=150M',
  params: 'params=0.5 or params=2M',
};

/** One budget. Throws bad-input with what was expected. */
export function parseBudget(text: string): Budget {
  const match = /^(?<resource>[a-z]+)=(?<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?<unit>[a-zA-Z]*)$/.exec(text.trim());
  const resource = resourceSchema.safeParse(match?.groups?.['resource']);
  if (!match?.groups || !resource.success) {
    throw new LatheError(
      'bad-input',
      `budget "${text}": expected RESOURCE=FRACTION or RESOURCE=VALUE with its unit, such as ${example.latency}; resources are ${resourceSchema.options.join(', ')}`,
    );
  }
  const value = Number(match.groups['number']);
  const unit = match.groups['unit'] ?? '';
  if (!(value > 0)) throw new LatheError('bad-input', `budget "${text}": expected a value above 0`);
  if (unit === '') {
    if (value > 1) {
      throw new LatheError(
        'bad-input',
        `budget "${text}": a value without a unit is a fraction and at most 1; for an absolute value give its unit, such as ${example[resource.data]}`,
      );
    }
    return { resource: resource.data, kind: 'fraction', value };
  }
  const factor = units[resource.data][unit.toLowerCase()];
  if (factor === undefined) {
    throw new LatheError(
      'bad-input',
      `budget "${text}": unknown unit "${unit}"; expected one of ${Object.keys(units[resource.data]).join(', ')}, as in ${example[resource.data]}`,
    );
  }
  return { resource: resource.data, kind: 'absolute', value: value * factor };
}
