// Checkpoints: how long they take, how large they are, each of them in a table, and one in detail.
import { html, useMemo, useState } from "./html.js";
import { Chart } from "./chart.js";
import * as format from "./format.js";
import { usePolled } from "./live.js";
import { Dialog, Empty, Facts, heads, isTerminal, Panel, ProblemNote, State, Time, VirtualTable } from "./parts.js";
import { jobPath, request } from "./rest.js";
import { go, useRoute } from "./route.js";

const LINES = [{ label: "Duration", unit: "us", dots: true }, { label: "State size", unit: "bytes", dots: true }];
const POLL_MS = 2000;

export function Checkpoints({ job, checkpoints, may }) {
  const { query } = useRoute();
  const chosen = query.get("checkpoint");
  const completed = checkpoints.filter((checkpoint) => checkpoint.status === "COMPLETED");
  const failed = checkpoints.filter((checkpoint) => checkpoint.status === "FAILED").length;
  const choose = (id) => go(`/jobs/${job.id}/checkpoints${id === null ? "" : `?checkpoint=${id}`}`, { replace: true });
  return html`<${Summary} job=${job} checkpoints=${checkpoints} may=${may} />
    ${chosen !== null && html`<${Detail} key=${chosen} job=${job} id=${chosen} close=${() => choose(null)} />`}
    <${Panel} title="Checkpoints" id="checkpoints" flush aside=${checkpoints.length ? `${completed.length} completed, ${failed} failed of the last ${checkpoints.length}` : ""}>
      ${checkpoints.length === 0
        ? html`<${Empty}>No checkpoint has been triggered yet.<//>`
        : html`<div class="checkpoint-columns"><${Times} completed=${completed} /><${Table} checkpoints=${checkpoints} chosen=${chosen} choose=${choose} /></div>`}
    <//>`;
}

function Times({ completed }) {
  const columns = useMemo(() => {
    const oldestFirst = [...completed].reverse();
    return [oldestFirst.map((each) => each.triggered_at_ms / 1000), oldestFirst.map((each) => each.duration_us), oldestFirst.map((each) => each.state_bytes)];
  }, [completed[0]?.id, completed.length]);
  return html`<${Chart} label="Duration and size of the completed checkpoints; the table has the numbers" lines=${LINES} columns=${columns} height=${320} />`;
}

function Summary({ job, checkpoints, may }) {
  const newest = checkpoints.find((checkpoint) => checkpoint.status === "COMPLETED");
  const failed = checkpoints.find((checkpoint) => checkpoint.status === "FAILED");
  const underWay = checkpoints.find((checkpoint) => checkpoint.status === "IN_PROGRESS");
  const age = newest && html`<span class="fact-duration">${format.duration(job.now_ms - newest.triggered_at_ms)} ago</span>`;
  return html`<div class="heading">
    <${Facts} facts=${[
      ["Newest completed", newest ? html`<span class="mono">${newest.id}</span>, ${age}` : "none yet"],
      ["It took", format.micros(newest?.duration_us)],
      ["Its state", format.bytes(newest?.state_bytes)],
      ["Under way", underWay ? `${underWay.id}: ${underWay.acknowledged} of ${underWay.expected} acknowledged` : "none"],
      ["Last failed", failed ? html`<span class="mono">${failed.id}</span>, ${format.clock(failed.triggered_at_ms)}` : "none"],
      ["Interval", format.option(job.options["execution.checkpointing.interval"] ?? "–")],
    ]} />
    <span class="spring"></span>
    ${may && !isTerminal(job.state) && html`<${CheckpointNow} job=${job} />`}
  </div>`;
}

function CheckpointNow({ job }) {
  const [note, setNote] = useState(null);
  const [isSending, setSending] = useState(false);
  const trigger = () => {
    setSending(true);
    request("POST", `${jobPath(job.id)}/checkpoints`)
      .then(({ id, was_under_way: wasUnderWay }) => setNote({ text: wasUnderWay ? `${id} was under way` : `triggered ${id}` }), (problem) => setNote({ text: problem.detail || problem.title, isBad: true }))
      .finally(() => setSending(false));
  };
  return html`<span class=${`small ${note?.isBad ? "tone-bad plain" : "dim"}`} role="status">${note?.text ?? ""}</span>
    <button disabled=${isSending} onClick=${trigger}>Checkpoint now</button>`;
}

function Table({ checkpoints, chosen, choose }) {
  const columns = [
    ["ID", "num"], ["Status", "w-state"], ["Acks", "", "subtasks that have acknowledged it"], ["Triggered"], ["Duration", "num w-micros"], ["State", "num"], ["Written", "num"],
    ["Sync", "num w-micros", "the longest that a task stood still for it"], ["Async", "num w-micros", "the longest asynchronous part"], ["Alignment", "num w-micros", "the longest alignment"],
  ];
  return html`<${VirtualTable} label="Checkpoints" head=${heads(columns)} rows=${checkpoints}
    row=${(checkpoint, index) => html`<${Row} key=${checkpoint.id} index=${index} checkpoint=${checkpoint} isChosen=${chosen === String(checkpoint.id)} choose=${choose} />`} />`;
}

function Row({ index, checkpoint, isChosen, choose }) {
  const isDone = checkpoint.status === "COMPLETED";
  return html`<tr aria-rowindex=${index + 2} class=${isChosen ? "chosen" : ""}>
    <td class="num"><button class="link mono" aria-label=${`Checkpoint ${checkpoint.id} in detail`} onClick=${() => choose(checkpoint.id)}>${checkpoint.id}</button></td>
    <td class="nowrap" title=${checkpoint.failure ?? ""}><${State} state=${checkpoint.status} />${checkpoint.is_final && html` <span class="dim small">final</span>`}
      ${checkpoint.failure && html` <span class="small tone-bad plain">${checkpoint.failure}</span>`}</td>
    <td class="nowrap">${checkpoint.acknowledged} / ${checkpoint.expected}</td>
    <td><${Time} ms=${checkpoint.triggered_at_ms} short /></td>
    <td class="num nowrap">${format.micros(checkpoint.duration_us)}</td>
    <td class="num nowrap">${isDone ? format.bytes(checkpoint.state_bytes) : "–"}</td>
    <td class="num nowrap">${isDone ? format.bytes(checkpoint.new_bytes) : "–"}</td>
    <td class="num nowrap">${format.micros(checkpoint.sync_us_max)}</td>
    <td class="num nowrap">${format.micros(checkpoint.async_us_max)}</td>
    <td class="num nowrap">${format.micros(checkpoint.alignment_us_max)}</td>
  </tr>`;
}

// One checkpoint: what each subtask took for it. Those that have not acknowledged come first, then the slowest.
function Detail({ job, id, close }) {
  const { data, problem } = usePolled(`${jobPath(job.id)}/checkpoints/${encodeURIComponent(id)}`, POLL_MS);
  const columns = [
    ["Subtask"], ["Acknowledged after", "", "time from the trigger to the acknowledgement"], ["Sync", "num w-micros"], ["Async", "num w-micros"], ["Alignment", "num w-micros"], ["State", "num"], ["Written", "num"],
  ];
  const subtasks = [...(data?.subtasks ?? [])].sort((one, other) => Number(hasAcknowledged(one)) - Number(hasAcknowledged(other)) || (other.acknowledged_at_ms ?? 0) - (one.acknowledged_at_ms ?? 0));
  return html`<${Dialog} title=${`Checkpoint ${id}`} close=${close} wide>
    ${problem && html`<${ProblemNote} problem=${problem} />`}
    ${data &&
    html`<${Facts} facts=${[
        ["Status", html`<${State} state=${data.status} />`],
        ["Triggered", html`<${Time} ms=${data.triggered_at_ms} />`],
        ["Duration", format.micros(data.duration_us)],
        ["State", format.bytes(data.state_bytes)],
        ["Written", format.bytes(data.new_bytes)],
        data.failure && ["Failure", html`<span class="tone-bad plain">${data.failure}</span>`],
      ]} />
      ${subtasks.length === 0 && html`<${Empty}>What its subtasks did is not kept.<//>`}
      ${subtasks.length > 0 && html`<${VirtualTable} label=${`Subtasks of checkpoint ${id}`} heightMax=${310} head=${heads(columns)} rows=${subtasks}
        row=${(subtask, index) => html`<tr key=${subtask.id} aria-rowindex=${index + 2}>
          <td class="mono">${subtask.id}</td>
          <td class="nowrap">${hasAcknowledged(subtask) ? format.duration(Math.max(0, subtask.acknowledged_at_ms - data.triggered_at_ms)) : html`<span class="tone-warn plain">not yet</span>`}</td>
          <td class="num nowrap">${format.micros(subtask.sync_us)}</td><td class="num nowrap">${format.micros(subtask.async_us)}</td><td class="num nowrap">${format.micros(subtask.alignment_us)}</td>
          <td class="num nowrap">${format.bytes(subtask.state_bytes)}</td><td class="num nowrap">${format.bytes(subtask.new_bytes)}</td>
        </tr>`} />`}`}
  <//>`;
}

const hasAcknowledged = (subtask) => subtask.acknowledged_at_ms !== null;
