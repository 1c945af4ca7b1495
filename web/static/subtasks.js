// The subtasks of all vertices, or of the one that is selected in the graph.
import { html } from "./html.js";
import * as format from "./format.js";
import { Load, Panel, State } from "./parts.js";

export function Subtasks({ job, rates, selected, clear }) {
  const shown = job.vertices.filter((vertex) => selected === null || vertex.id === selected);
  const rows = shown.flatMap((vertex) => vertex.subtasks.map((subtask) => ({ vertex, subtask })));
  const hasMalformed = rows.some(({ subtask }) => subtask.malformed_records > 0);
  const aside =
    selected === null
      ? "select a vertex to see only its own"
      : html`<button class="quiet" onClick=${clear}>Show all</button>`;
  return html`<${Panel} title="Subtasks" id="subtasks" flush aside=${aside}>
    <div class="scroll tall"><table>
      <thead><tr>
        <th scope="col">Subtask</th><th scope="col" class="w-state">State</th><th scope="col" class="num">Attempt</th><th scope="col" class="num">Slot</th>
        <th scope="col" class="num w-count">Records in</th><th scope="col" class="num w-count">Records out</th>
        <th scope="col" class="num w-count">In rate</th><th scope="col" class="num w-count">Out rate</th>
        ${hasMalformed && html`<th scope="col" class="num" title="records that could not be decoded">Malformed</th>`}
        <th scope="col" class="num">Late</th><th scope="col" class="w-watermark">Watermark</th><th scope="col" class="w-load">Busy / backpressured</th>
      </tr></thead>
      <tbody>${rows.map(({ vertex, subtask }) => html`<${Row} key=${subtask.id} vertex=${vertex} subtask=${subtask} rate=${rates[subtask.id]} hasMalformed=${hasMalformed} nowMs=${job.now_ms} />`)}</tbody>
    </table></div>
  <//>`;
}

function Row({ vertex, subtask, rate, hasMalformed, nowMs }) {
  const watermark = format.watermark(subtask.watermark_ms, nowMs);
  return html`<tr>
    <td class="clip-cell"><span class="mono">${subtask.id}</span> <span class="dim" title=${vertex.name}>${vertex.name}</span></td>
    <td><${State} state=${subtask.state} /></td>
    <td class="num">${subtask.attempt}</td>
    <td class="num">${subtask.slot}</td>
    <td class="num" title=${format.exactly(subtask.records_in)}>${format.count(subtask.records_in)}</td>
    <td class="num" title=${format.exactly(subtask.records_out)}>${format.count(subtask.records_out)}</td>
    <td class="num">${format.rate(rate.recordsIn)}</td>
    <td class="num">${format.rate(rate.recordsOut)}</td>
    ${hasMalformed && html`<td class=${subtask.malformed_records ? "num tone-warn plain" : "num dim"}>${format.count(subtask.malformed_records)}</td>`}
    <td class=${subtask.late_records ? "num tone-warn plain" : "num dim"}>${format.count(subtask.late_records)}</td>
    <td class="nowrap" title=${watermark.title}>${watermark.text}</td>
    <td class="nowrap"><span class="load-cell"><${Load} busy=${rate.busy} backpressured=${rate.backpressured} />
      <span class="dim num">${format.percent(rate.busy)} / ${format.percent(rate.backpressured)}</span></span></td>
  </tr>`;
}
