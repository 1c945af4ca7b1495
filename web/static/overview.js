// The server at a glance: what runs and how it is, and what ended last.
import { html } from "./html.js";
import * as format from "./format.js";
import { JobTable } from "./jobs.js";
import { useLive } from "./live.js";
import { Empty, Heading, isTerminal, Panel, ProblemNote } from "./parts.js";
import { get } from "./rest.js";
import { useTitle } from "./route.js";
import { useWhys } from "./why.js";

const SHOWN_MAX = 25;
const ENDED_SHOWN_MAX = 10;
const ASKED_MAX = 50;
const DAY_MS = 86_400_000;

export function OverviewPage({ session, frame: Frame }) {
  const { data: overview, connection, problem } = useLive("/api/v1/events", "overview", () => get("/overview"));
  useTitle("");
  const about = overview && `version ${overview.version} · up ${format.duration(overview.now_ms - overview.started_at_ms)}`;
  return html`<${Frame} connection=${connection} session=${session}>
    <${Heading} title="Overview"><span class="dim small">${about}</span><//>
    ${problem && html`<${ProblemNote} problem=${problem} />`}
    ${overview?.unreadable_jobs.map((job) => html`<${ProblemNote} key=${job.id} problem=${unreadable(job)} />`)}
    ${overview ? html`<${Tiles} overview=${overview} /><${Jobs} jobs=${overview.jobs} nowMs=${overview.now_ms} />` : html`<${Empty}>Loading…<//>`}
  <//>`;
}

function unreadable(job) {
  return { title: `Job ${job.id} cannot be read and does not run`, detail: job.reason, hint: "What is kept of it is left alone; see the manual for what can be done." };
}

function Tiles({ overview }) {
  const by = overview.jobs_by_state;
  const notRunning = overview.jobs.filter((job) => !isTerminal(job.state) && job.state !== "RUNNING").map((job) => job.state.toLowerCase());
  const link = (state) => `/jobs?state=${state}`;
  return html`<div class="tiles">
    <a class="tile" href="/cluster">
      <span class="tile-label">Task slots</span>
      <span class="tile-value">${overview.slots_used}<span class="dim"> / ${overview.slots_total}</span></span>
      <${Slots} used=${overview.slots_used} total=${overview.slots_total} />
    </a>
    <div class="tile"><span class="tile-label">Running tasks</span><span class="tile-value">${overview.tasks_running}</span></div>
    <a class="tile" href=${link("RUNNING")}>
      <span class="tile-label">Running jobs</span>
      <span class="tile-value">${by.RUNNING ?? 0}</span>
      <span class=${notRunning.length ? "small tone-warn plain" : "dim"}>${notRunning.length} ${new Set(notRunning).size === 1 ? notRunning[0] : "not running"}</span>
    </a>
    ${["FINISHED", "CANCELED", "FAILED"].map(
      (state) => html`<a key=${state} class="tile" href=${link(state)}>
        <span class="tile-label">${state[0] + state.slice(1).toLowerCase()}</span>
        <span class=${`tile-value ${state === "FAILED" && by.FAILED ? "tone-bad plain" : ""}`}>${by[state] ?? 0}</span>
      </a>`,
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

// What is unwell comes first: the running jobs by what is found of them, the ended ones by whether they failed in the last day.
function Jobs({ jobs, nowMs }) {
  const underWay = jobs.filter((job) => !isTerminal(job.state));
  const asked = inOrder(underWay, (job) => Number(job.state === "RUNNING")).slice(0, ASKED_MAX);
  const { whys, isKnown, rankOf } = useWhys(asked.map((job) => job.id).sort());
  const running = inOrder(underWay, (job) => rankOf(job.id));
  const hasJustFailed = (job) => job.state === "FAILED" && nowMs - job.ended_at_ms < DAY_MS;
  const ended = inOrder(jobs.filter((job) => isTerminal(job.state)), (job) => (hasJustFailed(job) ? 0 : 1));
  if (!isKnown) return html`<${Empty}>Loading…<//>`;
  const more = (shown, all) => html`${all > shown ? `${shown} of ${all} · ` : ""}<a href="/jobs">all jobs</a>`;
  return html`<${Panel} title="Running jobs" id="running-jobs" flush aside=${more(SHOWN_MAX, running.length)}>
      ${running.length > 0 && html`<${JobTable} jobs=${running.slice(0, SHOWN_MAX)} label="Running jobs" whys=${whys} />`}
      ${running.length === 0 && html`<${Empty}>No job is running. <a href="/submit">Submit a program</a>, or write one in <a href="/sql">SQL</a>.<//>`}
    <//>
    <${Panel} title="Ended jobs" id="ended-jobs" flush aside=${more(ENDED_SHOWN_MAX, ended.length)}>
      ${ended.length > 0 && html`<${JobTable} jobs=${ended.slice(0, ENDED_SHOWN_MAX)} label="Ended jobs" ended />`}
      ${ended.length === 0 && html`<${Empty}>No job has ended yet.<//>`}
    <//>`;
}

function inOrder(jobs, rankOf) {
  const ranked = jobs.map((job) => ({ job, rank: rankOf(job) }));
  return ranked.sort((one, other) => one.rank - other.rank).map(({ job }) => job);
}
