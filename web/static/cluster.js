// The machine that jobs run on: its slots and what is in them, and what it uses.
import { html } from "./html.js";
import * as format from "./format.js";
import { MetricHistory } from "./history.js";
import { useHas, useLive, usePolled } from "./live.js";
import { Empty, Facts, Heading, heads, Panel, ProblemNote, VirtualTable } from "./parts.js";
import { get } from "./rest.js";
import { useTitle } from "./route.js";

const POLL_MS = 3000;

export function ClusterPage({ session, frame: Frame }) {
  const { data: overview, connection, problem } = useLive("/api/v1/events", "overview", () => get("/overview"));
  const slots = usePolled("/slots", POLL_MS);
  const hasHistory = useHas("/metrics/history?points=1");
  // All at once, so that nothing moves.
  const isReady = overview && (slots.data || slots.problem);
  useTitle("Cluster");
  return html`<${Frame} connection=${connection} session=${session}>
    <${Heading} title="Cluster" />
    ${problem && html`<${ProblemNote} problem=${problem} />`}
    ${!isReady && html`<${Empty}>Loading…<//>`}
    ${isReady && html`<${Server} overview=${overview} />
      ${slots.data && html`<${Slots} slots=${slots.data.slots} jobs=${overview.jobs} />`}
      ${hasHistory && html`<h2 class="section">Metrics</h2><${MetricHistory} path="/metrics/history" serverNow=${overview.now_ms} />`}`}
  <//>`;
}

function Server({ overview }) {
  return html`<${Panel} title="Server" id="server">
      <${Facts} facts=${[
        ["Version", overview.version],
        ["Commit", html`<span class="mono">${(overview.commit ?? "–").slice(0, 12)}</span>`],
        ["Up since", format.time(overview.started_at_ms)],
        ["Up for", html`<span class="fact-duration">${format.duration(overview.now_ms - overview.started_at_ms)}</span>`],
        ["Slots used", `${overview.slots_used} of ${overview.slots_total}`],
        ["Running tasks", overview.tasks_running],
        ["Killing actors", overview.chaos ? "allowed" : "not allowed"],
      ]} />
    <//>`;
}

function Slots({ slots, jobs }) {
  const nameOf = (id) => jobs.find((job) => job.id === id)?.name ?? id.slice(0, 8);
  const byJob = (tasks) => Object.entries(Object.groupBy(tasks, (task) => task.job));
  return html`<${Panel} title="Task slots" id="slots" flush aside=${slots.length}>
    ${slots.length === 0 && html`<${Empty}>There are no slots.<//>`}
    ${slots.length > 0 &&
    html`<${VirtualTable} label="Task slots" head=${heads([["Slot", "num w-small"], ["Tasks", "num w-small"], ["What runs there"]])} rows=${slots}
      row=${(slot, index) => html`<tr key=${index} aria-rowindex=${index + 2}>
        <td class="num">${slot.slot}</td><td class="num">${slot.tasks.length}</td>
        <td class="clip-cell wide">${slot.tasks.length === 0 ? html`<span class="dim">free</span>` : byJob(slot.tasks).map(([job, tasks], place) => html`${place > 0 && " · "}<a href=${`/jobs/${job}`}>${nameOf(job)}</a> <span class="mono dim">${tasks.map((task) => task.subtask).join(" ")}</span>`)}</td>
      </tr>`} />`}
  <//>`;
}
