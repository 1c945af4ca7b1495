// The vertices of a job, the subtasks of all of them or of the one that is selected in the graph, and one of these in full.
import { html, useState } from "./html.js";
import * as format from "./format.js";
import { usePolled } from "./live.js";
import { Dialog, Empty, Facts, heads, Load, Panel, Scroll, State, TaskBoxes, Time, VirtualTable } from "./parts.js";
import { sumOf, vertexRates, vertexWatermark } from "./rates.js";
import { jobPath } from "./rest.js";

const LoadCell = ({ rate: { busy, backpressured } }) => html`<td class="nowrap"><span class="load-cell"><${Load} busy=${busy} backpressured=${backpressured} />
  <span class="dim num">${format.percent(busy)} / ${format.percent(backpressured)}</span></span></td>`;

// Records so far and per second, in and out.
const TrafficCells = ({ recordsIn, recordsOut, rate }) => html`
  <td class="num" title=${format.exactly(recordsIn)}>${format.count(recordsIn)}</td><td class="num" title=${format.exactly(recordsOut)}>${format.count(recordsOut)}</td>
  <td class="num">${format.rate(rate.recordsIn)}</td><td class="num">${format.rate(rate.recordsOut)}</td>`;

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
      row=${(vertex, index) => html`<${VertexRow} key=${vertex.id} index=${index} vertex=${vertex} rates=${rates} nowMs=${job.now_ms} shown=${shown} isSelected=${selected === vertex.id} select=${select} />`} />
  <//>`;
}

function tasksOf(vertex) {
  const tasks = {};
  for (const { state } of vertex.subtasks) tasks[state] = (tasks[state] ?? 0) + 1;
  return tasks;
}

function VertexRow({ index, vertex, rates, nowMs, shown, isSelected, select }) {
  const rate = vertexRates(vertex, rates);
  const watermark = format.watermark(vertexWatermark(vertex), nowMs);
  const sum = (field) => sumOf(vertex, field);
  return html`<tr aria-rowindex=${index + 2} class=${isSelected ? "chosen" : ""}>
    <td class="clip-cell"><button class="link" aria-pressed=${isSelected} title=${vertex.name} onClick=${() => select(isSelected ? null : vertex.id)}>
      <span class="mono">${vertex.id}</span> ${vertex.name}</button></td>
    <td><${TaskBoxes} tasks=${tasksOf(vertex)} /></td>
    <${LoadCell} rate=${rate} />
    <${TrafficCells} recordsIn=${sum("records_in")} recordsOut=${sum("records_out")} rate=${rate} />
    ${shown.bytes && html`<td class="num">${format.bytes(sum("bytes_in"))}</td><td class="num">${format.bytes(sum("bytes_out"))}</td>`}
    ${shown.state && html`<td class="num">${format.bytes(sum("state_bytes"))}</td>`}
    <td class="nowrap" title=${watermark.title}>${watermark.text}</td>
  </tr>`;
}

export function Subtasks({ job, rates, selected, clear, tap }) {
  const [opened, setOpened] = useState(null);
  const chosen = job.vertices.filter((vertex) => selected === null || vertex.id === selected);
  const rows = chosen.flatMap((vertex) => vertex.subtasks.map((subtask) => ({ vertex, subtask })));
  const has = (field) => rows.some(({ subtask }) => subtask[field] !== undefined && subtask[field] !== null);
  const shown = { malformed: rows.some(({ subtask }) => subtask.malformed_records > 0), state: has("state_bytes"), queued: has("queued_records"), pending: has("pending_records") };
  const aside =
    selected === null
      ? "select a vertex to see only its own"
      : html`${tap && html`<button class="quiet" onClick=${() => tap({ from: selected })}>Look at its records</button> `}<button class="quiet" onClick=${clear}>Show all</button>`;
  const columns = [
    ["Subtask"], ["State", "w-state"], ["Busy / back-pressured", "w-load"], ["Attempt", "num"],
    ["Records in", "num w-count"], ["Records out", "num w-count"], ["In rate", "num w-count"], ["Out rate", "num w-count"],
    shown.queued && ["Queued", "num", "records that wait in its input channels"], shown.pending && ["Pending", "num", "records that the source knows of and has not read"],
    shown.malformed && ["Malformed", "num", "records that could not be decoded"], ["Late", "num"], shown.state && ["State", "num"],
    ["Watermark", "w-watermark"],
  ];
  const open = rows.find(({ subtask }) => subtask.id === opened);
  return html`<${Panel} title=${selected === null ? "Subtasks" : `Subtasks of ${selected}`} id="subtasks" flush aside=${aside}>
    <${VirtualTable} label="Subtasks" head=${heads(columns)} rows=${rows}
      row=${({ vertex, subtask }, index) => html`<${Row} key=${subtask.id} index=${index} vertex=${vertex} subtask=${subtask} rate=${rates[subtask.id]} shown=${shown} nowMs=${job.now_ms} open=${setOpened} />`} />
    ${open && html`<${Details} ...${open} job=${job} close=${() => setOpened(null)} />`}
  <//>`;
}

function Row({ index, vertex, subtask, rate, shown, nowMs, open }) {
  const watermark = format.watermark(subtask.watermark_ms, nowMs);
  const warn = (value) => (value ? "num tone-warn plain" : "num dim");
  return html`<tr aria-rowindex=${index + 2}>
    <td class="clip-cell"><button class="link" title=${vertex.name} onClick=${() => open(subtask.id)}><span class="mono">${subtask.id}</span> <span class="dim">${vertex.name}</span></button></td>
    <td><${State} state=${subtask.state} /></td>
    <${LoadCell} rate=${rate} />
    <td class="num">${subtask.attempt}</td>
    <${TrafficCells} recordsIn=${subtask.records_in} recordsOut=${subtask.records_out} rate=${rate} />
    ${shown.queued && html`<td class="num">${format.count(subtask.queued_records)}</td>`}
    ${shown.pending && html`<td class="num">${format.count(subtask.pending_records)}</td>`}
    ${shown.malformed && html`<td class=${warn(subtask.malformed_records)}>${format.count(subtask.malformed_records)}</td>`}
    <td class=${warn(subtask.late_records)}>${format.count(subtask.late_records)}</td>
    ${shown.state && html`<td class="num">${format.bytes(subtask.state_bytes)}</td>`}
    <td class="nowrap" title=${watermark.title}>${watermark.text}</td>
  </tr>`;
}

const POLL_MS = 2000;

function Details({ vertex, subtask, job, close }) {
  const { data } = usePolled(`${jobPath(job.id)}/vertices/${vertex.id}/subtasks/${subtask.index}`, POLL_MS);
  const known = (label, field, write) => subtask[field] !== undefined && subtask[field] !== null && [label, write(subtask[field])];
  const list = (values) => (values.length ? html`<span class="mono">${values.join(", ")}</span>` : "nobody");
  return html`<${Dialog} title=${`Subtask ${subtask.id}`} close=${close} wide>
    <p class="dim breakable">${vertex.name}</p>
    <${Facts} facts=${[
      ["State", html`<${State} state=${subtask.state} />`],
      ["Attempt", subtask.attempt],
      ["Slot", subtask.slot],
      ["Records in", format.exactly(subtask.records_in)],
      ["Records out", format.exactly(subtask.records_out)],
      known("Bytes in", "bytes_in", format.bytes),
      known("Bytes out", "bytes_out", format.bytes),
      known("Queued records", "queued_records", format.exactly),
      known("Pending records", "pending_records", format.exactly),
      known("State size", "state_bytes", format.bytes),
      known("State entries", "state_entries", format.exactly),
      known("Doing", "activity", (activity) => html`${activity.replaceAll("-", " ")} <span class="dim">for ${format.duration(Math.max(0, job.now_ms - subtask.activity_since_ms))}</span>`),
      known("Blocked on", "blocked_on", list),
      known("Next window", "next_timer_ms", format.time),
      ["Late records", format.exactly(subtask.late_records)],
      ["Malformed records", format.exactly(subtask.malformed_records)],
      ["Connections made anew", subtask.connection_restarts],
    ]} />
    ${subtask.current_input_watermarks?.length > 0 && html`<${Inputs} inputs=${subtask.current_input_watermarks} nowMs=${job.now_ms} />`}
    ${data?.attempts && html`<${Attempts} attempts=${data.attempts} />`}
  <//>`;
}

// The input that holds the watermark back comes first.
function Inputs({ inputs, nowMs }) {
  const slowestFirst = [...inputs].sort((one, other) => (one.watermark_ms ?? -Infinity) - (other.watermark_ms ?? -Infinity));
  return html`<${Scroll} label="Inputs" tall><table>
    <caption>Inputs</caption>
    <thead><tr>${heads([["From"], ["Watermark", "w-watermark"], ["Unchanged for"], ["Queued", "num"]])}</tr></thead>
    <tbody>${slowestFirst.map(
      (input) => html`<tr key=${input.from}>
        <td class="mono">${input.from}</td><td class="nowrap">${format.watermark(input.watermark_ms, nowMs).text}</td>
        <td class="nowrap">${format.duration(Math.max(0, nowMs - input.since_ms))}${input.is_idle && html` <span class="dim">idle</span>`}</td><td class="num">${format.count(input.queued_records)}</td>
      </tr>`,
    )}</tbody>
  </table><//>`;
}

function Attempts({ attempts }) {
  if (attempts.length === 0) return html`<${Empty}>No attempt is on record.<//>`;
  return html`<${Scroll} label="Attempts" tall><table>
    <caption>Attempts</caption>
    <thead><tr>${heads([["Attempt", "num"], ["State", "w-state"], ["Deployed"], ["Ended"], ["From checkpoint", "num"], ["Failure"]])}</tr></thead>
    <tbody>${attempts.map(
      (attempt) => html`<tr key=${`${attempt.number}-${attempt.deployed_at_ms}`}>
        <td class="num">${attempt.number}</td><td><${State} state=${attempt.state} /></td>
        <td><${Time} ms=${attempt.deployed_at_ms} /></td><td><${Time} ms=${attempt.ended_at_ms} /></td>
        <td class="num">${attempt.restored_checkpoint ?? "–"}</td><td class="breakable small value">${attempt.failure ?? ""}</td>
      </tr>`,
    )}</tbody>
  </table><//>`;
}
