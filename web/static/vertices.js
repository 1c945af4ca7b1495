// The vertices of a job, one row each.
import { html } from "./html.js";
import * as format from "./format.js";
import { heads, Load, Panel, TaskBoxes, VirtualTable } from "./parts.js";
import { sumOf, vertexRates, vertexWatermark } from "./rates.js";

export function Vertices({ job, rates, selected, select }) {
  const has = (field) => job.vertices.some((vertex) => vertex.subtasks.some((subtask) => subtask[field] !== undefined));
  const shown = { bytes: has("bytes_in"), state: has("state_bytes") };
  const columns = [
    ["Vertex"], ["Tasks"], ["Busy / back-pressured", "w-load"], ["Records in", "num w-count"], ["Records out", "num w-count"], ["In rate", "num w-count"], ["Out rate", "num w-count"],
    shown.bytes && ["Bytes in", "num w-count"], shown.bytes && ["Bytes out", "num w-count"], shown.state && ["State", "num w-count"],
    ["Watermark", "w-watermark"],
  ];
  return html`<${Panel} title="Vertices" id="vertices" flush aside=${job.vertices.length}>
    <${VirtualTable} label="Vertices" heightMax=${310} head=${heads(columns)} rows=${job.vertices}
      row=${(vertex, index) => html`<${Row} key=${vertex.id} index=${index} vertex=${vertex} rates=${rates} nowMs=${job.now_ms} shown=${shown} isSelected=${selected === vertex.id} select=${select} />`} />
  <//>`;
}

function tasksOf(vertex) {
  const tasks = {};
  for (const { state } of vertex.subtasks) tasks[state] = (tasks[state] ?? 0) + 1;
  return tasks;
}

function Row({ index, vertex, rates, nowMs, shown, isSelected, select }) {
  const rate = vertexRates(vertex, rates);
  const watermark = format.watermark(vertexWatermark(vertex), nowMs);
  const sum = (field) => sumOf(vertex, field);
  return html`<tr aria-rowindex=${index + 2} class=${isSelected ? "chosen" : ""}>
    <td class="clip-cell"><button class="link" aria-pressed=${isSelected} title=${vertex.name} onClick=${() => select(isSelected ? null : vertex.id)}>
      <span class="mono">${vertex.id}</span> ${vertex.name}</button></td>
    <td><${TaskBoxes} tasks=${tasksOf(vertex)} /></td>
    <td class="nowrap"><span class="load-cell"><${Load} busy=${rate.busy} backpressured=${rate.backpressured} />
      <span class="dim num">${format.percent(rate.busy)} / ${format.percent(rate.backpressured)}</span></span></td>
    <td class="num" title=${format.exactly(sum("records_in"))}>${format.count(sum("records_in"))}</td>
    <td class="num" title=${format.exactly(sum("records_out"))}>${format.count(sum("records_out"))}</td>
    <td class="num">${format.rate(rate.recordsIn)}</td>
    <td class="num">${format.rate(rate.recordsOut)}</td>
    ${shown.bytes && html`<td class="num">${format.bytes(sum("bytes_in"))}</td><td class="num">${format.bytes(sum("bytes_out"))}</td>`}
    ${shown.state && html`<td class="num">${format.bytes(sum("state_bytes"))}</td>`}
    <td class="nowrap" title=${watermark.title}>${watermark.text}</td>
  </tr>`;
}
