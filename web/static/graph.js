// The job graph: vertices from left to right, with how busy they are in colour, in a bar and in words.
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./html.js";
import * as format from "./format.js";
import { layout } from "./layout.js";
import { Load, Panel } from "./parts.js";
import { vertexRates, vertexWatermark } from "./rates.js";

const NODE = { width: 248, height: 132, gap: 28, columnGap: 124, margin: 20 };
const KINDS = { source: "Source", operator: "Operator", sink: "Sink" };
const HEIGHT_MAX = 560;
const ZOOM_MIN = 0.15;
// Below this a whole graph is not made to fit by itself: nobody could read it.
const FIT_MIN = 0.75;
const BEYOND_PX = 300;

export function Graph({ job, rates, selected, select, bottleneck, tap }) {
  // The graph of a job does not change; only what its vertices show does.
  const shape = JSON.stringify([job.vertices.map((vertex) => vertex.id), job.edges]);
  const plan = useMemo(() => layout(job.vertices.map((vertex) => vertex.id), job.edges, NODE), [shape]);
  const place = useRef(null);
  const [fitted, setZoom] = useState(null);
  const zoom = fitted ?? 1;
  const [view, setView] = useState({ x: 0, y: 0, width: 1600, height: HEIGHT_MAX });
  const look = () => {
    const { scrollLeft: x, scrollTop: y, clientWidth: width, clientHeight: height } = place.current;
    setView({ x, y, width, height });
  };
  const fit = (least) => setZoom(Math.max(least, Math.min(1, place.current.clientWidth / plan.width)));
  useLayoutEffect(() => {
    fit(FIT_MIN);
    const observer = new ResizeObserver(look);
    observer.observe(place.current);
    return () => observer.disconnect();
  }, [plan]);
  useLayoutEffect(look, [zoom]);
  // The first bottleneck is brought into view, once.
  const isFound = useRef(false);
  useEffect(() => {
    const node = plan.nodes.find(({ id }) => id === bottleneck);
    if (!node || fitted === null || isFound.current) return;
    isFound.current = true;
    const { clientWidth: width, clientHeight: height } = place.current;
    place.current.scrollTo(node.x * zoom - width / 2, node.y * zoom - height / 2);
  }, [bottleneck, plan, fitted]);

  // Only what is in view, or nearly, is in the document.
  const isNear = (x, y) =>
    x * zoom > view.x - BEYOND_PX && x * zoom < view.x + view.width + BEYOND_PX && y * zoom > view.y - BEYOND_PX && y * zoom < view.y + view.height + BEYOND_PX;
  const byId = Object.fromEntries(job.vertices.map((vertex) => [vertex.id, vertex]));
  const step = (factor) => setZoom(Math.min(1.5, Math.max(ZOOM_MIN, zoom * factor)));
  const aside = html`<span class="zoom">
    <span class="legend" aria-hidden="true"><i class="key load-busy"></i>busy <i class="key load-backpressured"></i>back-pressured <i class="key load"></i>idle</span>
    <button class="quiet" aria-label="Smaller" onClick=${() => step(0.8)}>−</button>
    <button class="quiet" onClick=${() => fit(ZOOM_MIN)}>Fit</button>
    <button class="quiet" aria-label="Larger" onClick=${() => step(1.25)}>+</button>
  </span>`;
  return html`<${Panel} title="Job graph" id="graph" flush aside=${aside}>
    <div class="scroll graph-view" style=${{ height: `${Math.min(HEIGHT_MAX, Math.max(170, plan.height * zoom)) + 2}px` }} ref=${place} onScroll=${look} role="group" aria-label="Job graph, which scrolls" tabindex="0">
      <div class="graph-area" style=${{ width: `${plan.width * zoom}px`, height: `${plan.height * zoom}px` }}>
      <div class="graph" style=${{ width: `${plan.width}px`, height: `${plan.height}px`, transform: `scale(${zoom})` }}>
        <svg width=${plan.width} height=${plan.height} aria-hidden="true">
          <defs>
            <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">
              <path d="M0 0 8 4 0 8z" class="arrow" />
            </marker>
          </defs>
          ${plan.edges.map((edge) => html`<path key=${`${edge.from}-${edge.to}`} class="edge" d=${curve(edge.points)} marker-end="url(#arrow)" />`)}
        </svg>
        ${plan.edges.map((edge) => ({ edge, middle: middleOf(edge.points) }))
          .filter(({ middle }) => isNear(middle.x, middle.y))
          .map(({ edge, middle }) => html`<${EdgeLabel} key=${`${edge.from}-${edge.to}`} edge=${edge} middle=${middle} names=${byId} tap=${tap} />`)}
        ${plan.nodes.filter((node) => isNear(node.x, node.y)).map(
          (node) => html`<${Vertex}
            key=${node.id} node=${node} vertex=${byId[node.id]} rates=${rates} nowMs=${job.now_ms}
            isSelected=${selected === node.id} isBottleneck=${bottleneck === node.id} select=${select} />`,
        )}
      </div></div>
    </div>
  <//>`;
}

function EdgeLabel({ edge, middle, names, tap }) {
  const style = { left: `${middle.x}px`, top: `${middle.y}px` };
  if (!tap) return html`<span class="edge-label" style=${style}>${edge.partitioning}</span>`;
  return html`<button class="edge-label" style=${style} onClick=${() => tap({ from: edge.from, to: edge.to })} title="look at the records that pass here"
    aria-label=${`${edge.partitioning}: look at the records from ${names[edge.from].name} to ${names[edge.to].name}`}>${edge.partitioning}<span aria-hidden="true"> ⌕</span></button>`;
}

// Of its first stretch, where no other vertex can be.
const middleOf = ([from, to]) => ({ x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 });

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

function Vertex({ node, vertex, rates, nowMs, isSelected, isBottleneck, select }) {
  const rate = vertexRates(vertex, rates);
  const watermark = format.watermark(vertexWatermark(vertex), nowMs);
  const lines = [
    vertex.kind === "source" ? null : ["In", format.rate(rate.recordsIn)],
    vertex.kind === "sink" ? null : ["Out", format.rate(rate.recordsOut)],
  ].filter(Boolean);
  const style = { left: `${node.x - NODE.width / 2}px`, top: `${node.y - NODE.height / 2}px`, width: `${NODE.width}px`, height: `${NODE.height}px` };
  return html`<button class=${`vertex heat-${heat(rate)} ${isBottleneck ? "bottleneck" : ""}`} style=${style} aria-pressed=${isSelected} title=${vertex.name}
      onClick=${() => select(isSelected ? null : vertex.id)}>
    <span class="vertex-kind"><span>${KINDS[vertex.kind]}</span>${isBottleneck && html`<strong>▲ Bottleneck</strong>`}<span>Parallelism ${vertex.parallelism}</span></span>
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
