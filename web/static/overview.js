// The server at a glance: slots, jobs, and the programs that can be submitted.
import { html, useEffect, useState } from "./html.js";
import * as format from "./format.js";
import { useLive } from "./live.js";
import { Empty, isTerminal, Panel, ProblemNote, State, TaskBoxes } from "./parts.js";
import { get } from "./rest.js";
import { Submit } from "./submit.js";

export function OverviewPage({ frame: Frame, go }) {
  const { data: overview, connection, problem } = useLive("/api/v1/events", "overview", () => get("/overview"));
  useEffect(() => {
    document.title = "Headwater";
  }, []);

  const about = overview && `version ${overview.version} · up ${format.duration(overview.now_ms - overview.started_at_ms)}`;
  return html`<${Frame} connection=${connection} about=${about}>
    <h1 class="visually-hidden">Overview</h1>
    ${problem && html`<${ProblemNote} problem=${problem} />`}
    ${overview?.unreadable_jobs.map((job) => html`<${ProblemNote} key=${job.id} problem=${unreadable(job)} />`)}
    ${overview && html`<${Tiles} overview=${overview} /><${JobTables} jobs=${overview.jobs} />`}
    <${Programs} go=${go} />
  <//>`;
}

function unreadable(job) {
  return { title: `Job ${job.id} cannot be read and does not run`, detail: job.reason, hint: "What is kept of it is left alone; see the manual for what can be done." };
}

function Tiles({ overview }) {
  const by = overview.jobs_by_state;
  const ended = ["FINISHED", "CANCELED", "FAILED"];
  const underWay = overview.jobs.filter((job) => !isTerminal(job.state)).length;
  return html`<div class="tiles">
    <div class="tile">
      <span class="tile-label">Task slots</span>
      <span class="tile-value">${overview.slots_used}<span class="dim"> / ${overview.slots_total}</span></span>
      <${Slots} used=${overview.slots_used} total=${overview.slots_total} />
    </div>
    <div class="tile">
      <span class="tile-label">Running tasks</span>
      <span class="tile-value">${overview.tasks_running}</span>
    </div>
    <div class="tile">
      <span class="tile-label">Running jobs</span>
      <span class="tile-value">${by.RUNNING ?? 0}</span>
      <span class="dim">${underWay - (by.RUNNING ?? 0)} starting or stopping</span>
    </div>
    ${ended.map(
      (state) => html`<div key=${state} class="tile">
        <span class="tile-label">${state[0] + state.slice(1).toLowerCase()}</span>
        <span class=${`tile-value ${state === "FAILED" && by.FAILED ? "tone-bad plain" : ""}`}>${by[state] ?? 0}</span>
      </div>`,
    )}
  </div>`;
}

const SLOTS_SHOWN_MAX = 32;

function Slots({ used, total }) {
  if (total > SLOTS_SHOWN_MAX) return null;
  return html`<span class="slots" aria-hidden="true">
    ${Array.from({ length: total }, (_, slot) => html`<span key=${slot} class=${slot < used ? "slot used" : "slot"}></span>`)}
  </span>`;
}

function JobTables({ jobs }) {
  const running = jobs.filter((job) => !isTerminal(job.state));
  const completed = jobs.filter((job) => isTerminal(job.state));
  return html`<${Panel} title="Running jobs" id="running-jobs" flush aside=${running.length}>
      ${running.length ? html`<${JobTable} jobs=${running} />` : html`<${Empty}>No job is running. Submit a program below.<//>`}
    <//>
    <${Panel} title="Completed jobs" id="completed-jobs" flush aside=${completed.length}>
      ${completed.length ? html`<${JobTable} jobs=${completed} ended />` : html`<${Empty}>No job has ended yet.<//>`}
    <//>`;
}

function JobTable({ jobs, ended }) {
  return html`<div class="scroll"><table>
    <thead><tr>
      <th scope="col">Job</th><th scope="col" class="w-state">State</th><th scope="col" class="w-time">Start time</th>
      ${ended && html`<th scope="col" class="w-time">End time</th>`}
      <th scope="col" class="num w-duration">Duration</th><th scope="col" class="w-tasks">Tasks</th><th scope="col" class="num w-small">Restarts</th>
    </tr></thead>
    <tbody>
      ${jobs.map(
        (job) => html`<tr key=${job.id}>
          <td>
            <a class="strong" href=${`/jobs/${job.id}`}>${job.name}</a>
            <div class="dim mono small">${job.program} · ${job.id.slice(0, 8)}</div>
            ${job.failure && html`<div class="tone-bad plain small clip" title=${job.failure}>${job.failure}</div>`}
          </td>
          <td><${State} state=${job.state} /></td>
          <td class="nowrap">${format.time(job.started_at_ms ?? job.submitted_at_ms)}</td>
          ${ended && html`<td class="nowrap">${format.time(job.ended_at_ms)}</td>`}
          <td class="num nowrap">${format.duration(job.duration_ms)}</td>
          <td><${TaskBoxes} tasks=${job.tasks} /></td>
          <td class=${job.restarts ? "num tone-warn plain" : "num dim"}>${job.restarts}</td>
        </tr>`,
      )}
    </tbody>
  </table></div>`;
}

function Programs({ go }) {
  const [programs, setPrograms] = useState(null);
  const [problem, setProblem] = useState(null);
  useEffect(() => {
    get("/programs").then((answer) => setPrograms(answer.programs), setProblem);
  }, []);
  return html`<${Panel} title="Submit a program" id="programs" aside=${programs?.length}>
    ${problem && html`<${ProblemNote} problem=${problem} />`}
    ${programs?.length === 0 && html`<${Empty}>No program is registered in this binary.<//>`}
    <div class="programs">
      ${(programs ?? []).map((program) => html`<${Submit} key=${program.name} program=${program} go=${go} />`)}
    </div>
  <//>`;
}
