/** @file A network that is trained from nothing: a graph of loss and weight gradients, its weights, AdamW, a running average. */

import { InputError, RuntimeFailure } from "#softrepa/core/errors.js";
import { type FloatTensor, floatTensor, formatShape, sameShape, type Tensor } from "#softrepa/core/tensor.js";
import { gradientsOfSum } from "#softrepa/graph/autodiff.js";
import { Graph } from "#softrepa/graph/graph.js";
import type { Value } from "#softrepa/graph/ir.js";
import { writeOnnx } from "#softrepa/graph/onnx/writer.js";
import { Weights } from "#softrepa/models/weights.js";
import type { Engine, NamedTensors, Session } from "#softrepa/runtime/engine.js";
import { AdamW } from "#softrepa/training/adamw.js";
import { openSafetensors, readTensor, writeSafetensors } from "#softrepa/weights/safetensors.js";
import type { InitialWeight } from "./initial.js";

/** What a network's builder returns: the scalar to minimise, and further scalars to log. */
export interface Losses {
  readonly loss: Value;
  readonly [metric: string]: Value;
}

export interface NetworkSettings {
  readonly weightDecay: number;
  readonly beta2: number;
  /** Gradients longer than this, all weights together, are shortened to it. */
  readonly gradientNorm: number;
  /** Share of the old average kept at each step, once there have been some. */
  readonly averageDecay: number;
}

const prefixes = ["weight", "average", "first", "second"] as const;

/** Weights that change have an optimizer; those that no gradient reaches, or that are held fixed, have none. */
interface Parameter {
  readonly weight: FloatTensor;
  readonly average: Float32Array;
  readonly optimizer: AdamW | null;
}

export class Network {
  /** Steps taken. */
  step = 0;

  private constructor(
    private readonly session: Session,
    private readonly parameters: ReadonlyMap<string, Parameter>,
    private readonly settings: NetworkSettings,
  ) {}

  /** `build` makes the loss of one batch from `w`; weights for which `isFixed` holds keep their initial values. */
  static async compile(
    engine: Engine,
    build: (w: Weights) => Losses,
    initial: InitialWeight,
    settings: NetworkSettings,
    isFixed: (name: string) => boolean = () => false,
  ): Promise<Network> {
    // No checkpoints: at this size the activations fit, and computing them twice would cost a third of the time.
    const graph = new Graph({ checkpoints: false });
    const w = Weights.asInputs(graph);
    const losses = build(w);
    const reached = ancestors(losses.loss);
    const trained = [...w.used].filter(([name, value]) => reached.has(value) && !isFixed(name));
    const gradients = gradientsOfSum(
      losses.loss,
      trained.map(([, value]) => value),
    );
    const outputs: Record<string, Value> = { ...losses };
    trained.forEach(([name], index) => {
      outputs[gradientName(name)] = gradients[index];
    });
    const session = await engine.compile(writeOnnx(graph, outputs, engine.target));
    const { weightDecay, beta2 } = settings;
    const isTrained = new Set(trained.map(([name]) => name));
    const parameters = new Map<string, Parameter>();
    for (const [name, { shape }] of w.used) {
      const weight = floatTensor(shape, initial(name, shape));
      // Decay is for matrices and kernels; it would only push norms and biases off.
      const adamw = { weightDecay: shape.length > 1 ? weightDecay : 0, beta1: 0.9, beta2, epsilon: 1e-8 };
      const optimizer = isTrained.has(name) ? new AdamW(weight.data, adamw) : null;
      parameters.set(name, { weight, average: weight.data.slice(), optimizer });
    }
    return new Network(session, parameters, settings);
  }

  /** One step of AdamW on the batch in `feeds`; returns the scalars that `build` named. */
  async train(feeds: NamedTensors, learningRate: number): Promise<Record<string, number>> {
    const weights = [...this.parameters].map(([name, { weight }]): [string, Tensor] => [name, weight]);
    const wanted = new Set(this.session.inputs.map(({ name }) => name));
    const results = await this.session.run({
      ...Object.fromEntries(weights.filter(([name]) => wanted.has(name))),
      ...feeds,
    });
    const gradientOf = (name: string) => (results[gradientName(name)] as FloatTensor).data;
    const trained = [...this.parameters].flatMap(([name, parameter]) =>
      parameter.optimizer ? [{ ...parameter, optimizer: parameter.optimizer, gradient: gradientOf(name) }] : [],
    );
    const norm = Math.sqrt(trained.reduce((sum, { gradient }) => sum + squares(gradient), 0));
    if (!Number.isFinite(norm)) throw new RuntimeFailure(`the gradient became ${norm} at step ${this.step + 1}`);
    const shorten = Math.min(1, this.settings.gradientNorm / norm);
    this.step++;
    const keep = Math.min(this.settings.averageDecay, this.step / (this.step + 10));
    for (const { weight, average, optimizer, gradient } of trained) {
      if (shorten < 1) for (let i = 0; i < gradient.length; i++) gradient[i] *= shorten;
      optimizer.step(gradient, learningRate);
      const { data } = weight;
      for (let i = 0; i < data.length; i++) average[i] += (1 - keep) * (data[i] - average[i]);
    }
    const scalars = Object.entries(results).filter(([name]) => !name.startsWith(gradientPrefix));
    return { ...Object.fromEntries(scalars.map(([name, { data }]) => [name, Number(data[0])])), norm };
  }

  /** The running averages of the weights, by key. */
  averages(): Map<string, FloatTensor> {
    return new Map(
      [...this.parameters].map(([name, { weight, average }]) => [name, floatTensor(weight.shape, average)]),
    );
  }

  /** Everything that training goes on from. */
  async save(file: string): Promise<void> {
    const tensors = new Map<string, FloatTensor>();
    for (const [name, { weight, average, optimizer }] of this.parameters) {
      tensors.set(`weight/${name}`, weight);
      tensors.set(`average/${name}`, floatTensor(weight.shape, average));
      if (!optimizer) continue;
      tensors.set(`first/${name}`, floatTensor(weight.shape, optimizer.first));
      tensors.set(`second/${name}`, floatTensor(weight.shape, optimizer.second));
    }
    await writeSafetensors(file, tensors, { step: String(this.step) });
  }

  /** Goes on from what `save` wrote. */
  async load(file: string): Promise<void> {
    const source = await openSafetensors(file);
    this.step = Number(source.metadata.step);
    for (const [name, { weight, average, optimizer }] of this.parameters) {
      const targets = { weight: weight.data, average, first: optimizer?.first, second: optimizer?.second };
      for (const prefix of prefixes) {
        const target = targets[prefix];
        if (!target) continue;
        const stored = source.tensors.get(`${prefix}/${name}`);
        if (!stored || !sameShape(stored.shape, weight.shape)) {
          throw new InputError(`${file}: ${prefix}/${name} of ${formatShape(weight.shape)} is missing: begin anew`);
        }
        target.set((await readTensor(stored)).data);
      }
      if (optimizer) optimizer.count = this.step;
    }
  }

  release(): Promise<void> {
    return this.session.release();
  }
}

const gradientPrefix = "gradient/";

function gradientName(name: string): string {
  return gradientPrefix + name;
}

function squares(values: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] * values[i];
  return sum;
}

/** All values that `value` is computed from. */
function ancestors(value: Value): ReadonlySet<Value> {
  const found = new Set<Value>([value]);
  const waiting = [value];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    for (const input of next.graph.producerOf(next).inputs) {
      if (found.has(input)) continue;
      found.add(input);
      waiting.push(input);
    }
  }
  return found;
}
