// The subtasks of all vertices, or of the one that is selected in the graph; and one of them in full.
import { html, useState } from "./html.js";
import * as format from "./format.js";
import { usePolled } from "./live.js";
import { Dialog, Empty, Facts, heads, Load, Panel, Scroll, State, Time, VirtualTable } from "./parts.js";
import { jobPath } from "./rest.js";

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
    <td class="nowrap"><span class="load-cell"><${Load} busy=${rate.busy} backpressured=${rate.backpressured} />
      <span class="dim num">${format.percent(rate.busy)} / ${format.percent(rate.backpressured)}</span></span></td>
    <td class="num">${subtask.attempt}</td>
    <td class="num" title=${format.exactly(subtask.records_in)}>${format.count(subtask.records_in)}</td>
    <td class="num" title=${format.exactly(subtask.records_out)}>${format.count(subtask.records_out)}</td>
    <td class="num">${format.rate(rate.recordsIn)}</td>
    <td class="num">${format.rate(rate.recordsOut)}</td>
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
        <td class="num">${attempt.restored_checkpoint ?? "–"}</td><td class="breakable small">${attempt.failure ?? ""}</td>
      </tr>`,
    )}</tbody>
  </table><//>`;
}
