/**
 * From a method's name and an input nobody has looked at yet to a checked call. Window and browser both come through here, so
 * what arrives from outside is checked in one place.
 */
import { contract, isMethod, type LatheClient } from '../../shared/contract.ts';
import { LatheError, describeZodError, toErrorPayload } from '../../shared/errors.ts';
import type { CallResult } from '../../shared/ipc.ts';
import { suggest } from '../../shared/nearest.ts';

/**
 * Calls `method` of the client with an input from outside. Never rejects: every failure is a payload.
 * `report` hears of defects (what was thrown and is no LatheError) with their stack, which does not cross to the caller.
 */
export async function dispatch(
  client: LatheClient,
  method: string,
  input: unknown,
  report?: (error: unknown) => void,
): Promise<CallResult> {
  try {
    if (!isMethod(method)) throw unknownMethod(method);
    const parsed = contract[method].input.safeParse(input);
    if (!parsed.success) throw new LatheError('bad-input', `${method}: ${describeZodError(parsed.error)}`);
    return { ok: true, output: await client.call(method, parsed.data) };
  } catch (error) {
    const payload = toErrorPayload(error);
    if (payload.code === 'internal') report?.(error);
    return { ok: false, error: payload };
  }
}

function unknownMethod(method: string): LatheError {
  const name = method.slice(0, 100); // it comes from outside and goes into a sentence
  return new LatheError('bad-input', `there is no method "${name}"; ${suggest(name, Object.keys(contract))}`);
}
