/** ONNX Runtime as a peer: each line is {file, threads, repeats, dims}; the answer is the milliseconds of each repeat. */
import { createInterface } from 'node:readline';
import { InferenceSession, Tensor } from 'onnxruntime-node';

interface Request {
  readonly file: string;
  readonly threads: number;
  readonly repeats: number;
  readonly dims: readonly number[]; // N, C, H, W
}

const sessions = new Map<string, InferenceSession>();

async function answer({ file, threads, repeats, dims }: Request): Promise<string> {
  const key = `${threads} ${file}`;
  let session = sessions.get(key);
  if (!session) {
    session = await InferenceSession.create(file, { intraOpNumThreads: threads, interOpNumThreads: 1, graphOptimizationLevel: 'all' });
    sessions.set(key, session);
  }
  const count = dims.reduce((product, dim) => product * dim, 1);
  const values = Float32Array.from({ length: count }, (_, i) => Math.sin(i));
  const [name = 'input'] = session.inputNames;
  const feeds = { [name]: new Tensor('float32', values, dims) };
  await session.run(feeds);
  const times: number[] = [];
  for (let i = 0; i < repeats; i++) {
    const begin = performance.now();
    await session.run(feeds);
    times.push(performance.now() - begin);
  }
  return times.map((ms) => ms.toFixed(6)).join(' ');
}

for await (const line of createInterface({ input: process.stdin })) {
  try {
    process.stdout.write(`${await answer(JSON.parse(line) as Request)}\n`);
  } catch (error) {
    process.stdout.write(`error ${String(error).replaceAll('\n', ' ')}\n`);
  }
}
