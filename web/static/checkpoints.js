// Checkpoints: how long they take, how large they are, and each of them in a table.
import { html } from "./html.js";
import { Chart } from "./chart.js";
import * as format from "./format.js";
import { Empty, Panel, State } from "./parts.js";

export function Checkpoints({ checkpoints }) {
  const completed = checkpoints.filter((checkpoint) => checkpoint.status === "COMPLETED");
  const failed = checkpoints.filter((checkpoint) => checkpoint.status === "FAILED").length;
  const aside = `${completed.length} completed, ${failed} failed of the last ${checkpoints.length}`;
  return html`<${Panel} title="Checkpoints" id="checkpoints" flush aside=${checkpoints.length ? aside : ""}>
    ${checkpoints.length === 0
      ? html`<${Empty}>No checkpoint has been triggered yet.<//>`
      : html`<div class="checkpoint-columns"><${Chart} checkpoints=${completed} /><${Table} checkpoints=${checkpoints} /></div>`}
  <//>`;
}

function Table({ checkpoints }) {
  return html`<div class="scroll tall"><table>
    <thead><tr>
      <th scope="col" class="num">ID</th><th scope="col" class="w-state">Status</th><th scope="col" title="subtasks that have acknowledged it">Acks</th><th scope="col">Triggered</th>
      <th scope="col" class="num w-micros">Duration</th><th scope="col" class="num">State</th><th scope="col" class="num">Written</th>
      <th scope="col" class="num w-micros" title="the longest that a task stood still for it">Sync</th>
      <th scope="col" class="num w-micros" title="the longest asynchronous part">Async</th>
      <th scope="col" class="num w-micros" title="the longest alignment">Alignment</th>
    </tr></thead>
    <tbody>${checkpoints.map((checkpoint) => html`<${Row} key=${checkpoint.id} checkpoint=${checkpoint} />`)}</tbody>
  </table></div>`;
}

function Row({ checkpoint }) {
  const isDone = checkpoint.status === "COMPLETED";
  return html`<tr>
    <td class="num mono">${checkpoint.id}</td>
    <td title=${checkpoint.failure ?? ""}><${State} state=${checkpoint.status} />${checkpoint.is_final && html` <span class="dim small">final</span>`}
      ${checkpoint.failure && html`<div class="small tone-bad plain">${checkpoint.failure}</div>`}</td>
    <td>${checkpoint.acknowledged} / ${checkpoint.expected}</td>
    <td class="nowrap" title=${format.time(checkpoint.triggered_at_ms)}>${format.clock(checkpoint.triggered_at_ms)}</td>
    <td class="num nowrap">${format.micros(checkpoint.duration_us)}</td>
    <td class="num nowrap">${isDone ? format.bytes(checkpoint.state_bytes) : "–"}</td>
    <td class="num nowrap">${isDone ? format.bytes(checkpoint.new_bytes) : "–"}</td>
    <td class="num nowrap">${format.micros(checkpoint.sync_us_max)}</td>
    <td class="num nowrap">${format.micros(checkpoint.async_us_max)}</td>
    <td class="num nowrap">${format.micros(checkpoint.alignment_us_max)}</td>
  </tr>`;
}
