/** A network as a face shows it: titles, summaries and the table of its layers. */
import type {
  ImportReport,
  LayerInfo,
  NetworkInfo,
  NetworkRef,
  NetworkStructure,
  NetworkSummary,
  Published,
  ResolvedNetworkRef,
} from '../../shared/network.ts';
import { countMacs, trafficOf } from './counting.ts';
import { couplingOf } from './coupling.ts';
import { graphSha256 } from './graph-form.ts';
import { inputsOf } from './graph.ts';
import type { Graph, GraphNode } from './graph.ts';
import { describeShape, type Shape } from './shape.ts';
import { familyOf, isScalable, networkIdOf, networkIds, resolveNetwork } from './zoo.ts';
import type { DatasetShape } from './zoo.ts';

/** 'MobileNet-V1 x0.25, 32 x 32 x 1, 10 classes'; width 1 and the 'imagenet' stem of a large input go without saying. */
export function networkTitle(ref: ResolvedNetworkRef, inputShape: Shape = [ref.inputSize, ref.inputSize, ref.inputChannels]): string {
  if (ref.graph !== undefined) return `${ref.id}, ${describeShape(inputShape)}, ${ref.classes} classes`;
  const width = ref.width === 1 ? '' : ` x${ref.width}`;
  const usualStem = ref.inputSize <= 64 ? 'small' : 'imagenet';
  const stem = ref.stem === usualStem ? '' : `, ${ref.stem} stem`;
  return `${familyOf(ref).title}${width}, ${describeShape(inputShape)}, ${ref.classes} classes${stem}`;
}

/** The short form for a table: 'mobilenet-v1 x0.25 @32'. */
export function networkLabel(ref: ResolvedNetworkRef): string {
  return `${ref.id}${ref.width === 1 ? '' : ` x${ref.width}`} @${ref.inputSize}`;
}

/** Every listed network at its own defaults. */
export function listNetworks(): NetworkSummary[] {
  return networkIds.map(summaryOf);
}

/** A listed network at its own defaults. */
export function summaryOf(id: string): NetworkSummary {
  const { graph, ref } = resolveNetwork({ id });
  return summarize(graph, ref);
}

/** The reference to a network that is no variant of the zoo's: its graph says all; `inputSize` is the longer side. */
export function ownNetworkRef(id: string, graph: Graph): ResolvedNetworkRef {
  const [height, width, inputChannels] = graph.inputShape;
  const inputSize = Math.max(height, width);
  return { id, width: 1, inputSize, inputChannels, classes: graph.classes, stem: 'imagenet', graph: graphSha256(graph) };
}

/** A network of the user's and the table of its operators. */
export function describeOwnNetwork(id: string, graph: Graph, source: string, imported: ImportReport): NetworkInfo {
  const { macs, params, inputShape, classes } = graph;
  const ref = ownNetworkRef(id, graph);
  const title = `${id}, ${describeShape(inputShape)}, ${classes} classes`;
  const layers = graph.nodes.map(toLayerInfo);
  const summary = { id, title, source, macs, params, inputShape: [...inputShape], classes, scalable: false };
  return { ...summary, ref, sha256: graphSha256(graph), layers, imported };
}

/** A network and the table of its operators, fitted to a data set where one is given. Errors as `resolveNetwork`. */
export function describeNetwork(ref: NetworkRef, dataset?: DatasetShape): NetworkInfo {
  const resolved = resolveNetwork(ref, dataset);
  return {
    ...summarize(resolved.graph, resolved.ref),
    ref: resolved.ref,
    sha256: graphSha256(resolved.graph),
    layers: resolved.graph.nodes.map(toLayerInfo),
  };
}

/** The operators of a graph with their inputs, what they move, and the coupled channels. `published`: what is known of the network. */
export function describeStructure(graph: Graph, id: string, title: string, published: readonly Published[]): NetworkStructure {
  return {
    id,
    title,
    nodes: graph.nodes.map((node) => ({
      name: node.spec.name,
      op: node.spec.kind,
      inputs: [...inputsOf(node.spec)],
      outputShape: [...node.outputShape],
      macs: node.macs,
      params: node.params,
      ...trafficOf(node),
    })),
    groups: couplingOf(graph).groups.map((group) => ({
      ...group,
      producers: [...group.producers],
      followers: [...group.followers],
      consumers: [...group.consumers],
      joints: [...group.joints],
    })),
    published: [...published],
    counts: {
      layers: countMacs(graph, 'layers'),
      amc: countMacs(graph, 'amc'),
      'measure-model': countMacs(graph, 'measure-model'),
      operations: countMacs(graph, 'operations'),
    },
  };
}

/** The quantizable layers alone, in policy order. */
export function quantizableLayerInfos(graph: Graph): LayerInfo[] {
  return graph.nodes.filter((node) => node.kind !== null).map(toLayerInfo);
}

function summarize(graph: Graph, ref: ResolvedNetworkRef): NetworkSummary {
  return {
    id: networkIdOf(ref),
    title: networkTitle(ref, graph.inputShape),
    source: familyOf(ref).source,
    macs: graph.macs,
    params: graph.params,
    inputShape: [...graph.inputShape],
    classes: graph.classes,
    scalable: isScalable(networkIdOf(ref)),
  };
}

function toLayerInfo({ spec, kind, macs, params, inputShapes, outputShape }: GraphNode): LayerInfo {
  const window: Pick<LayerInfo, 'kernel' | 'stride'> =
    'kernel' in spec ? { kernel: [...spec.kernel], stride: [...spec.stride] } : { kernel: null, stride: null };
  return {
    name: spec.name,
    op: spec.kind,
    kind,
    macs,
    params,
    inputShape: [...(inputShapes[0] ?? [])],
    outputShape: [...outputShape],
    ...window,
    groups: spec.kind === 'conv' ? spec.groups : null,
  };
}
