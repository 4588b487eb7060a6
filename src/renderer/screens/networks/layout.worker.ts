/** Places the operators of a network, off the window's thread: dagre's layered layout, from the image down to the classes. */
import { Graph, layout } from '@dagrejs/dagre';
import type { LayoutAnswer, LayoutQuestion } from './graph-view.ts';

/** What dagre's `layout` writes into the labels; its own types leave them open. */
type Placed = LayoutAnswer['nodes'][number];
interface Routed {
  readonly points?: LayoutAnswer['edges'][number];
}

self.addEventListener('message', (event: MessageEvent<LayoutQuestion>) => {
  const { nodes, edges } = event.data;
  const graph = new Graph();
  graph.setGraph({ rankdir: 'TB', nodesep: 24, ranksep: 28 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const { id, width, height } of nodes) graph.setNode(id, { width, height });
  for (const [from, to] of edges) graph.setEdge(from, to);
  layout(graph);
  const answer: LayoutAnswer = {
    nodes: nodes.map(({ id, width, height }) => {
      const placed = graph.node(id) as Placed;
      return { id, x: placed.x - width / 2, y: placed.y - height / 2, width, height };
    }),
    edges: graph.edges().map((edge) => (graph.edge(edge) as Routed).points ?? []),
  };
  self.postMessage(answer);
});
