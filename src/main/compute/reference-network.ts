/** A whole network through the slow twins, for tests: what the addon's Model must agree with. Not part of the application. */
import type { NativeOp, NativeParameter, NativeProgram } from './addon.ts';
import { loadAddon } from './index.ts';
import { inputsOf, outputShape, type Shape } from './program-check.ts';
import { runOperator } from './test-kit.ts';

/** Changes what enters a quantizable operator: its input and its weight. */
export interface Quantize {
  activation(op: string, values: Float64Array): Float64Array;
  weight(op: string, values: Float64Array): Float64Array;
}

export interface Pass {
  readonly loss: number; // mean over the batch
  readonly logits: Float64Array;
  readonly tensors: readonly Float64Array[];
  readonly gradients: Float64Array; // laid out as the parameters
}

export class ReferenceNetwork {
  readonly program: NativeProgram;
  readonly layout: readonly NativeParameter[];

  constructor(program: NativeProgram, layout: readonly NativeParameter[]) {
    this.program = program;
    this.layout = layout;
  }

  /** Forward and backward, with the batch's own statistics. images is (batch, H, W, C). */
  train(parameters: Float64Array, images: Float64Array, labels: Uint8Array): Pass {
    const { logits, tensors } = this.#forward(parameters, images, labels.length, true, null);
    const { loss, dLogits } = loadAddon().testing.softmaxCrossEntropy(logits, labels, this.program.classes, 'reference');
    const gradients = new Float64Array(parameters.length);
    const dTensors: (Float64Array | null)[] = tensors.map(() => null);
    dTensors[tensors.length - 1] = dLogits;
    for (const op of this.program.ops.toReversed()) {
      const dOutput = dTensors[op.output];
      if (!dOutput) throw new Error(`no gradient arrives at ${op.name}`);
      const result = this.#run(op, parameters, tensors, labels.length, true, dOutput, null);
      inputsOf(op).forEach((tensor, i) => {
        const dInput = result.dInputs?.[i] ?? new Float64Array();
        dTensors[tensor] = dTensors[tensor]?.map((value, j) => value + (dInput[j] ?? 0)) ?? dInput;
      });
      for (const { role, offset } of this.#parametersOf(op)) gradients.set(result.dParameters?.[role] ?? [], offset);
    }
    return { loss, logits, tensors, gradients };
  }

  /** Forward with the running statistics. */
  evaluate(
    parameters: Float64Array,
    images: Float64Array,
    batch: number,
    quantize: Quantize | null = null,
  ): Pick<Pass, 'logits' | 'tensors'> {
    return this.#forward(parameters, images, batch, false, quantize);
  }

  /** Forward with the statistics of these images themselves. */
  evaluateOnOwnStatistics(
    parameters: Float64Array,
    images: Float64Array,
    batch: number,
    quantize: Quantize | null,
  ): Pick<Pass, 'logits' | 'tensors'> {
    return this.#forward(parameters, images, batch, true, quantize);
  }

  #forward(
    parameters: Float64Array,
    images: Float64Array,
    batch: number,
    training: boolean,
    quantize: Quantize | null,
  ): Pick<Pass, 'logits' | 'tensors'> {
    const tensors = [images];
    for (const op of this.program.ops) tensors.push(this.#run(op, parameters, tensors, batch, training, undefined, quantize).output);
    return { logits: tensors.at(-1) ?? new Float64Array(), tensors };
  }

  #run(
    op: NativeOp,
    parameters: Float64Array,
    tensors: readonly Float64Array[],
    batch: number,
    training: boolean,
    dOutput: Float64Array | undefined,
    quantize: Quantize | null,
  ): ReturnType<typeof runOperator> {
    const shapes = inputsOf(op).map((tensor) => this.shapeOf(tensor));
    const [height, width, channels] = shapes[0] ?? this.program.inputShape;
    const quantized = quantize !== null && (op.kind === 'conv' || op.kind === 'linear');
    const own: Record<string, Float64Array> = {};
    for (const { role, offset, length } of this.#parametersOf(op)) {
      const values = parameters.slice(offset, offset + length);
      own[role] = quantized && role === 'weight' ? quantize.weight(op.name, values) : values;
    }
    const inputs = inputsOf(op).map((tensor) => {
      const values = tensors[tensor] ?? new Float64Array();
      return quantized ? quantize.activation(op.name, values) : values;
    });
    return runOperator(
      { op, batch, height, width, channels, shapes, training, inputs, parameters: own, ...(dOutput ? { dOutput } : {}) },
      'reference',
    );
  }

  #parametersOf(op: NativeOp): readonly NativeParameter[] {
    return this.layout.filter((parameter) => parameter.op === op.name);
  }

  /** Of one image. */
  shapeOf(tensor: number): Shape {
    if (tensor === 0) return this.program.inputShape;
    const op = this.program.ops[tensor - 1];
    if (!op) throw new Error(`no operator writes tensor ${tensor}`);
    return outputShape(
      op,
      inputsOf(op).map((input) => this.shapeOf(input)),
    );
  }
}
