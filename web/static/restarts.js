// What failed, of what, and how the job came back: drawn over time, and told one after the other.
import { html } from "./html.js";
import * as format from "./format.js";
import { usePolled } from "./live.js";
import { Empty, heads, Panel, Scroll, Time, VirtualTable } from "./parts.js";
import { jobPath } from "./rest.js";

const POLL_MS = 3000;
const DRAWN_MAX = 30;
// The phases of a recovery: [field with the time from the death to its end, name, class].
const PHASES = [
  ["detected_after_us", "detect", "phase-detect"],
  ["running_after_us", "restore", "phase-restore"],
  ["first_record_after_us", "first record", "phase-first"],
  ["caught_up_after_us", "catch up", "phase-catch"],
];

export function Restarts({ job, exceptions }) {
  const { data } = usePolled(`${jobPath(job.id)}/restarts`, POLL_MS);
  // A server without a timeline still tells how far each failure has been mended.
  const restarts = (data?.restarts ?? exceptions).map((restart) => ({ ...restart, ...restart.recovery }));
  return html`<${RootCause} job=${job} exceptions=${exceptions} />
    <${Timeline} restarts=${restarts} />
    <${Exceptions} incidents=${incidentsOf(exceptions)} count=${exceptions.length} />
    <${Events} job=${job} />`;
}

// All that happened to the job, whoever wanted it.
function Events({ job }) {
  const { data } = usePolled(`${jobPath(job.id)}/events`, POLL_MS);
  if (!data) return null;
  return html`<${Panel} title="Events" id="events" flush aside=${`${data.events.length}, newest first`}>
    <${VirtualTable} label="Events" head=${heads([["Time", "w-time"], ["Kind"], ["What"], ["By"]])} rows=${data.events}
      row=${(event, index) => html`<tr key=${event.id} aria-rowindex=${index + 2}>
        <td><${Time} ms=${event.at_ms} /></td><td><span class=${`state tone-${/fail/.test(event.kind) ? "bad" : "quiet"}`}>${event.kind.replaceAll("-", " ")}</span></td>
        <td class="clip-cell wide" title=${event.message}>${event.message}</td><td class="clip-cell dim">${event.by ?? ""}</td>
      </tr>`} />
  <//>`;
}

// What began the newest incident comes before everything else.
function RootCause({ job, exceptions }) {
  const root = incidentsOf(exceptions)[0]?.[0];
  if (!job.failure && !root) return null;
  return html`<${Panel} title="Newest root cause" id="root-cause">
    <p class="exception-message mono">${job.failure ?? root.message}</p>
    ${root && html`<p class="dim small"><span class="mono">${root.actor}</span> ${root.actor_name}, <${Time} ms=${root.at_ms} /></p>`}
  <//>`;
}

const endOf = (exception) => exception.at_ms + (exception.recovery?.running_after_us ?? 0) / 1000;

// Failures that came while the job had not yet come back from an earlier one belong to it. Newest incident first; in each
// the first failure, which is its root cause, comes first.
function incidentsOf(exceptions) {
  const incidents = [];
  for (const exception of [...exceptions].reverse()) {
    const last = incidents.at(-1);
    if (last && exception.at_ms < Math.max(...last.map(endOf))) last.push(exception);
    else incidents.push([exception]);
  }
  return incidents.reverse();
}

function Timeline({ restarts }) {
  const drawn = restarts.slice(0, DRAWN_MAX);
  const total = (restart) => Math.max(1, ...PHASES.map(([field]) => restart[field] ?? 0));
  const longest = Math.max(1, ...drawn.map(total));
  const legend = html`<span class="legend" aria-hidden="true">${PHASES.map(([, name, kind]) => html`<i key=${name} class="key ${kind}"></i>${name} `)}</span>`;
  return html`<${Panel} title="Restart timeline" id="timeline" flush aside=${legend}>
    ${drawn.length === 0 && html`<${Empty}>The job has never had to come back from anything.<//>`}
    ${drawn.length > 0 &&
    html`<${Scroll} label="Restart timeline" tall><table class="timeline">
      <caption class="visually-hidden">Restarts, newest first, with the time that each phase took</caption>
      <thead><tr>
        <th scope="col">Died at</th><th scope="col">Actor</th><th scope="col">Went back to</th><th scope="col">Restarted</th><th scope="col" class="num">Replayed</th>
        <th scope="col" class="timeline-bar">Phases, to ${format.micros(Math.round(longest))}</th>
        ${PHASES.map(([field, name]) => html`<th key=${field} scope="col" class="num w-micros">${name}</th>`)}
      </tr></thead>
      <tbody>${drawn.map((restart, index) => html`<${Restart} key=${`${restart.at_ms}-${restart.actor}-${drawn.length - index}`} restart=${restart} longest=${longest} />`)}</tbody>
    </table><//>`}
  <//>`;
}

function Restart({ restart, longest }) {
  let from = 0;
  const phases = PHASES.map(([field, name, kind]) => {
    const to = restart[field];
    if (to === null || to === undefined) return { field, name, kind, took: null };
    const phase = { field, name, kind, took: Math.max(0, to - from), from };
    from = Math.max(from, to);
    return phase;
  });
  const known = phases.filter((phase) => phase.took !== null);
  const scale = (us) => (us / longest) * 1000;
  const { restored_checkpoint: checkpoint, tasks_restarted: tasks, tasks: region, records_replayed: replayed } = restart;
  const isControl = tasks === 0;
  return html`<tr title=${restart.message}>
    <td><${Time} ms=${restart.at_ms} /></td>
    <td class="mono nowrap">${restart.actor}</td>
    <td class="nowrap">${isControl ? html`<span class="dim">nothing touched</span>` : checkpoint === null || checkpoint === undefined ? "the beginning" : `checkpoint ${checkpoint}`}</td>
    <td class="nowrap" title=${region?.join(", ")}>${tasks === undefined ? "–" : `${tasks} ${tasks === 1 ? "task" : "tasks"}`}${restart.phase && html` <span class="dim">${restart.phase.replaceAll("-", " ")}</span>`}</td>
    <td class="num">${format.count(replayed)}</td>
    <td class="timeline-bar"><svg viewBox="0 0 1000 18" preserveAspectRatio="none" width="100%" height="18" role="img" aria-label=${known.map((phase) => `${phase.name} ${format.micros(phase.took)}`).join(", ")}>
      ${known.map((phase) => html`<rect key=${phase.field} class=${phase.kind} x=${scale(phase.from)} y="2" width=${Math.max(2, scale(phase.took))} height="14" />`)}
    </svg></td>
    ${phases.map((phase) => html`<td key=${phase.field} class="num nowrap">${format.micros(phase.took)}</td>`)}
  </tr>`;
}

function Exceptions({ incidents, count }) {
  return html`<${Panel} title="Exceptions" id="exceptions" flush aside=${`${count}, newest first`}>
    <div class="scroll exceptions-view" role="group" aria-label="Exceptions" tabindex="0">
      ${incidents.length === 0 && html`<${Empty}>Nothing has failed.<//>`}
      <ol>
        ${incidents.map((incident, index) => html`<li key=${`${incident[0].at_ms}-${incidents.length - index}`} class="incident">
          ${incident.map((exception, place) => html`<${Exception} key=${place} exception=${exception} label=${incident.length > 1 ? (place === 0 ? "root cause" : "followed") : ""} />`)}
        </li>`)}
      </ol>
    </div>
  <//>`;
}

function Exception({ exception, label }) {
  const attempt = exception.attempt === null ? "" : ` · attempt ${exception.attempt}`;
  return html`<div class="exception">
    <div class="exception-head">
      <span class=${`kind ${exception.kind === "kill" ? "tone-warn" : "tone-bad"}`}>${exception.kind}</span>
      ${label && html`<strong class="small nowrap">${label}</strong>`}
      <span class="mono strong nowrap">${exception.actor}</span>
      <span class="dim clip" title=${exception.actor_name}>${exception.actor_name}${attempt}</span>
      <span class="exception-time dim"><${Time} ms=${exception.at_ms} /></span>
    </div>
    <p class="exception-message mono">${exception.message}</p>
    <${Recovery} recovery=${exception.recovery} isControl=${exception.attempt === null} />
  </div>`;
}

function Recovery({ recovery, isControl }) {
  if (!recovery) return html`<p class="recovery dim">not recovered</p>`;
  const from = isControl && recovery.tasks_restarted === 0
    ? "rebuilt without touching the tasks"
    : recovery.restored_checkpoint === null
      ? "restarted from the beginning"
      : `restored checkpoint ${recovery.restored_checkpoint}`;
  const tasks = recovery.tasks_restarted > 0 ? `${recovery.tasks_restarted} ${recovery.tasks_restarted === 1 ? "task" : "tasks"} restarted` : null;
  const parts = [
    from,
    tasks,
    recovery.running_after_us === null ? "restarting" : html`running after <strong>${format.micros(recovery.running_after_us)}</strong>`,
    recovery.first_record_after_us === null ? null : html`first record after <strong>${format.micros(recovery.first_record_after_us)}</strong>`,
  ].filter(Boolean);
  return html`<p class="recovery">${parts.map((part, index) => html`<span key=${index}>${part}</span>`)}</p>`;
}
