// The job graph: vertices laid out by dagre, coloured by how busy they are.
import { html, useMemo } from "./html.js";
import * as format from "./format.js";
import { Load } from "./parts.js";
import { vertexRates, vertexWatermark } from "./rates.js";
import { Graph as Digraph, layout } from "./vendor/dagre.js";

const NODE = { width: 248, height: 132 };
const KINDS = { source: "Source", operator: "Operator", sink: "Sink" };

function laidOut(vertices, edges) {
  const graph = new Digraph().setGraph({ rankdir: "LR", nodesep: 28, ranksep: 92, marginx: 20, marginy: 20 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const vertex of vertices) graph.setNode(vertex.id, { ...NODE });
  for (const edge of edges) graph.setEdge(edge.from, edge.to, {});
  layout(graph);
  const { width, height } = graph.graph();
  return {
    width,
    height,
    nodes: vertices.map((vertex) => ({ id: vertex.id, ...graph.node(vertex.id) })),
    edges: edges.map((edge) => ({ ...edge, points: graph.edge(edge.from, edge.to).points })),
  };
}

export function Graph({ job, rates, selected, select }) {
  // The graph of a job does not change; only what its vertices show does.
  const shape = JSON.stringify([job.vertices.map((vertex) => vertex.id), job.edges]);
  const plan = useMemo(() => laidOut(job.vertices, job.edges), [shape]);
  const byId = Object.fromEntries(job.vertices.map((vertex) => [vertex.id, vertex]));
  return html`<div class="scroll"><div class="graph" style=${{ width: `${plan.width}px`, height: `${plan.height}px` }}>
    <svg width=${plan.width} height=${plan.height} aria-hidden="true">
      <defs>
        <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">
          <path d="M0 0 8 4 0 8z" class="arrow" />
        </marker>
      </defs>
      ${plan.edges.map((edge) => html`<path key=${`${edge.from}-${edge.to}`} class="edge" d=${curve(edge.points)} marker-end="url(#arrow)" />`)}
    </svg>
    ${plan.edges.map((edge) => html`<${EdgeLabel} key=${`${edge.from}-${edge.to}`} edge=${edge} />`)}
    ${plan.nodes.map(
      (node) => html`<${Vertex}
        key=${node.id} node=${node} vertex=${byId[node.id]} rates=${rates} nowMs=${job.now_ms}
        isSelected=${selected === node.id} select=${select} />`,
    )}
  </div></div>`;
}

function EdgeLabel({ edge }) {
  const middle = edge.points[Math.floor(edge.points.length / 2)];
  return html`<span class="edge-label" style=${{ left: `${middle.x}px`, top: `${middle.y}px` }}>${edge.partitioning}</span>`;
}

// Smooth through the layout's points, level at both ends.
function curve(points) {
  const [start, end] = [points[0], points.at(-1)];
  const inner = points.slice(1, -1);
  let path = `M${start.x} ${start.y}`;
  let previous = start;
  for (const point of [...inner, end]) {
    const middle = (previous.x + point.x) / 2;
    path += ` C${middle} ${previous.y} ${middle} ${point.y} ${point.x} ${point.y}`;
    previous = point;
  }
  return path;
}

function Vertex({ node, vertex, rates, nowMs, isSelected, select }) {
  const rate = vertexRates(vertex, rates);
  const watermark = format.watermark(vertexWatermark(vertex), nowMs);
  const lines = [
    vertex.kind === "source" ? null : ["In", format.rate(rate.recordsIn)],
    vertex.kind === "sink" ? null : ["Out", format.rate(rate.recordsOut)],
  ].filter(Boolean);
  const style = { left: `${node.x - node.width / 2}px`, top: `${node.y - node.height / 2}px`, width: `${node.width}px`, height: `${node.height}px` };
  return html`<button class=${`vertex heat-${heat(rate)}`} style=${style} aria-pressed=${isSelected} title=${vertex.name}
      onClick=${() => select(isSelected ? null : vertex.id)}>
    <span class="vertex-kind"><span>${KINDS[vertex.kind]}</span><span>Parallelism ${vertex.parallelism}</span></span>
    <span class="vertex-name">${vertex.name}</span>
    <span class="vertex-facts">
      ${lines.map(([label, value]) => html`<span key=${label}><span class="dim">${label}</span> ${value}</span>`)}
    </span>
    <span class="vertex-facts"><span title=${watermark.title}><span class="dim">Watermark</span> ${watermark.text}</span></span>
    <span class="vertex-load"><${Load} busy=${rate.busy} backpressured=${rate.backpressured} wide /><span>${loadText(rate)}</span></span>
  </button>`;
}

function loadText(rate) {
  if (rate.busy === null) return "";
  const held = rate.backpressured > 0.005 ? ` · bp ${format.percent(rate.backpressured)}` : "";
  return `busy ${format.percent(rate.busy)}${held}`;
}

// Flink colours vertices likewise: held up, busy, or at ease.
function heat({ busy, backpressured }) {
  if (busy === null) return "none";
  if (backpressured > 0.5) return "held";
  if (backpressured > 0.1) return "held-some";
  if (busy > 0.8) return "hot";
  return busy > 0.5 ? "warm" : "calm";
}
