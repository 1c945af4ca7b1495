// One job: how it is, said at the top, and a tab for each thing that one may want to know.
import { html, useEffect, useMemo, useRef, useState } from "./html.js";
import { Actors } from "./actors.js";
import { Checkpoints } from "./checkpoints.js";
import { Settings } from "./config.js";
import * as format from "./format.js";
import { Graph } from "./graph.js";
import { History } from "./history.js";
import { useHas, useLive } from "./live.js";
import { LogPanel } from "./logs.js";
import { Asking, Facts, Here, isTerminal, ProblemNote, State, TaskBoxes, Time } from "./parts.js";
import { RateMeter } from "./rates.js";
import { get, jobPath, request } from "./rest.js";
import { Restarts } from "./restarts.js";
import { go, useRoute, useTitle } from "./route.js";
import { mayOperate } from "./session.js";
import { StateBrowser } from "./state.js";
import { Tap } from "./tap.js";
import { Subtasks, Vertices } from "./tasks.js";
import { bottleneckOf, useWhy, Why } from "./why.js";

async function poll(id) {
  const path = jobPath(id);
  const [job, checkpoints, exceptions] = await Promise.all([get(path), get(`${path}/checkpoints`), get(`${path}/exceptions`)]);
  return { job, ...checkpoints, ...exceptions };
}

export function JobPage({ id, tab = "overview", session, frame: Frame }) {
  const stream = `/api/v1/events?job=${encodeURIComponent(id)}`;
  const { data, connection, problem } = useLive(stream, "job", () => poll(id));
  useTitle(data?.job.name ?? id);
  return html`<${Frame} connection=${connection} session=${session}>
    <nav class="trail" aria-label="Breadcrumb"><a href="/jobs">Jobs</a><span class="dim" aria-hidden="true">/</span><span class="clip mono" aria-current="page">${id}</span></nav>
    ${problem && html`<${ProblemNote} problem=${problem} />`}
    ${data && html`<${Job} data=${data} tab=${tab} session=${session} />`}
  <//>`;
}

const TABS = [
  { name: "overview", text: "Overview", Part: Flow },
  { name: "checkpoints", text: "Checkpoints", Part: Checkpoints },
  { name: "restarts", text: "Restarts", Part: Restarts },
  { name: "metrics", text: "Metrics", Part: History, needs: "/metrics?points=1" },
  { name: "state", text: "State", Part: StateBrowser },
  { name: "actors", text: "Actors", Part: Actors },
  { name: "logs", text: "Log", Part: ({ job }) => html`<${LogPanel} job=${job.id} />`, serverNeeds: "/logs?limit=1" },
  { name: "configuration", text: "Configuration", Part: Settings },
];

function Job({ data, tab, session }) {
  const { job } = data;
  const why = useWhy(job.id);
  const meter = useRef(null);
  meter.current ??= new RateMeter();
  const rates = useMemo(() => meter.current.observe(job), [data]);
  const { Part } = TABS.find((each) => each.name === tab) ?? TABS[0];
  const select = (vertex) => go(`/jobs/${job.id}${vertex ? `?vertex=${vertex}` : ""}`, { replace: tab === "overview" });
  const may = mayOperate(session);
  // What is below the sentence waits for it, so that it does not move then.
  const isTold = why.data || why.problem;
  return html`<${Header} job=${job} may=${may} isUntold=${why.isMissing || why.problem} />
    <${Why} why=${why} nowMs=${job.now_ms} select=${select} />
    ${isTold && html`<nav class="tabs" aria-label="Parts of the job">
        ${TABS.map((each) => html`<${TabLink} key=${each.name} job=${job} tab=${each} isHere=${each.Part === Part} />`)}
      </nav>
      <${Part} ...${data} rates=${rates} why=${why} select=${select} may=${may} />`}`;
}

function TabLink({ job, tab, isHere }) {
  const path = tab.needs ? jobPath(job.id) + tab.needs : tab.serverNeeds;
  const link = html`<${Here} href=${`/jobs/${job.id}${tab.name === "overview" ? "" : `/${tab.name}`}`} isHere=${isHere}>${tab.text}<//>`;
  return path ? html`<${Optional} path=${path}>${link}<//>` : link;
}

const Optional = ({ path, children }) => useHas(path) && children;

// `isUntold` is a job whose failure no finding tells.
function Header({ job, may, isUntold }) {
  const isEnded = isTerminal(job.state);
  return html`<div class="job-head">
    <div class="heading">
      <h1>${job.name}</h1><${State} state=${job.state} />
      <span class="spring"></span>
      ${may && html`<${Actions} job=${job} isEnded=${isEnded} />`}
    </div>
    <${Facts} facts=${[
      ["Program", html`<span class="mono">${job.program}</span>`],
      ["Started", html`<${Time} ms=${job.started_at_ms ?? job.submitted_at_ms} />`],
      isEnded && ["Ended", html`<${Time} ms=${job.ended_at_ms} />`],
      ["Duration", html`<span class="fact-duration">${format.duration(job.duration_ms)}</span>`],
      ["Tasks", html`<${TaskBoxes} tasks=${job.tasks} />`],
      ["Restarts", html`<span class=${job.restarts ? "tone-warn plain strong" : ""}>${job.restarts}</span>`],
      ["Last checkpoint", job.last_completed_checkpoint ?? "none yet"],
    ]} />
    ${isUntold && job.failure && html`<div class="problem"><strong>Root cause</strong><span>${job.failure}</span></div>`}
  </div>`;
}

function Actions({ job, isEnded }) {
  const path = jobPath(job.id);
  const restart = html`<${Asking} label="Restart job" question="Restart this job?" act=${() => request("POST", `${path}/restart`)}
    done=${({ id }) => go(`/jobs/${id}`)}
    consequence=${isEnded ? `${job.name} runs again, from its newest checkpoint if one is kept, else from the beginning as a new job.` : `All tasks of ${job.name} are stopped and begin again at the newest checkpoint.`} />`;
  if (isEnded) {
    return html`${restart}<${Asking} label="Delete job" danger question="Delete this job?" act=${() => request("DELETE", path)} done=${() => go("/jobs")}
      consequence=${`What is kept of ${job.name} is deleted: its history, its checkpoints and its metrics. This cannot be undone.`} />`;
  }
  return html`${restart}<${Asking} label="Cancel job" danger disabled=${job.state === "CANCELLING"} question="Cancel this job?" act=${() => request("PATCH", `${path}?mode=cancel`)}
    consequence=${`${job.name} stops at once. What it has read since its newest checkpoint is not committed.`} />`;
}

// The graph, its vertices and their subtasks.
function Flow({ job, rates, why, select, may }) {
  const { query } = useRoute();
  const asked = query.get("vertex");
  const selected = job.vertices.some((vertex) => vertex.id === asked) ? asked : null;
  const [tapped, setTapped] = useState(null);
  useEffect(() => setTapped(null), [job.id]);
  return html`<${Graph} job=${job} rates=${rates} selected=${selected} select=${select} bottleneck=${bottleneckOf(why)} tap=${may ? setTapped : null} />
    ${tapped && html`<${Tap} key=${`${tapped.from} ${tapped.to}`} job=${job} edge=${tapped} close=${() => setTapped(null)} />`}
    <${Vertices} job=${job} rates=${rates} selected=${selected} select=${select} />
    <${Subtasks} job=${job} rates=${rates} selected=${selected} clear=${() => select(null)} tap=${may ? setTapped : null} />`;
}
