// One job: its graph, subtasks, supervision tree, failures and checkpoints.
import { html, useEffect, useMemo, useRef, useState } from "./html.js";
import { Actors } from "./actors.js";
import { Checkpoints } from "./checkpoints.js";
import { Exceptions } from "./exceptions.js";
import * as format from "./format.js";
import { Graph } from "./graph.js";
import { useLive } from "./live.js";
import { Empty, isTerminal, Panel, ProblemNote, State, TaskBoxes } from "./parts.js";
import { RateMeter } from "./rates.js";
import { get, jobPath, request } from "./rest.js";
import { Subtasks } from "./subtasks.js";

const CONFIRM_MS = 4000;

async function poll(id) {
  const path = jobPath(id);
  const [job, checkpoints, exceptions] = await Promise.all([get(path), get(`${path}/checkpoints`), get(`${path}/exceptions`)]);
  return { job, ...checkpoints, ...exceptions };
}

export function JobPage({ id, frame: Frame }) {
  const stream = `/api/v1/events?job=${encodeURIComponent(id)}`;
  const { data, connection, problem } = useLive(stream, "job", () => poll(id));
  const chaos = useChaos();
  const meter = useRef(null);
  meter.current ??= new RateMeter();
  const rates = useMemo(() => (data ? meter.current.observe(data.job) : {}), [data]);
  const [selected, setSelected] = useState(null);
  const name = data?.job.name ?? id;
  useEffect(() => {
    document.title = `${name} · Headwater`;
  }, [name]);

  const trail = html`<a href="/">Jobs</a><span class="dim" aria-hidden="true">/</span><span aria-current="page">${name}</span>`;
  return html`<${Frame} connection=${connection} trail=${trail}>
    ${problem && html`<${ProblemNote} problem=${problem} />`}
    ${data &&
    html`<${Header} job=${data.job} />
      <${Panel} title="Job graph" id="graph" flush>
        <${Graph} job=${data.job} rates=${rates} selected=${selected} select=${setSelected} />
      <//>
      <${Subtasks} job=${data.job} rates=${rates} selected=${selected} clear=${() => setSelected(null)} />
      <div class="columns">
        <${Actors} job=${data.job} chaos=${chaos} />
        <${Exceptions} exceptions=${data.exceptions} />
      </div>
      <${Checkpoints} checkpoints=${data.checkpoints} />
      <${Configuration} job=${data.job} />`}
  <//>`;
}

// Whether this server lets actors be killed; it does not change while the server runs.
function useChaos() {
  const [chaos, setChaos] = useState(false);
  useEffect(() => {
    get("/overview").then((overview) => setChaos(overview.chaos), () => {});
  }, []);
  return chaos;
}

function Header({ job }) {
  const facts = [
    ["Job ID", html`<span class="mono">${job.id}</span>`],
    ["Program", html`<span class="mono">${job.program}</span>`],
    ["Start time", format.time(job.started_at_ms ?? job.submitted_at_ms)],
    job.ended_at_ms ? ["End time", format.time(job.ended_at_ms)] : null,
    ["Duration", format.duration(job.duration_ms)],
    ["Tasks", html`<${TaskBoxes} tasks=${job.tasks} />`],
    ["Restarts", job.restarts],
    ["Last checkpoint", job.last_completed_checkpoint ?? "none yet"],
  ].filter(Boolean);
  return html`<div class="job-head">
    <div class="job-title">
      <h1>${job.name}</h1><${State} state=${job.state} />
      <span class="spring"></span>
      ${!isTerminal(job.state) && html`<${CancelButton} job=${job} />`}
    </div>
    <dl class="facts">${facts.map(([label, value]) => html`<div key=${label}><dt>${label}</dt><dd>${value}</dd></div>`)}</dl>
    ${job.failure && html`<div class="problem"><strong>Root cause</strong><span>${job.failure}</span></div>`}
  </div>`;
}

// Asks once more before it cancels.
function CancelButton({ job }) {
  const [isAsking, setAsking] = useState(false);
  const [problem, setProblem] = useState(null);
  const isCancelling = job.state === "CANCELLING";
  useEffect(() => {
    if (!isAsking) return undefined;
    const timer = setTimeout(() => setAsking(false), CONFIRM_MS);
    return () => clearTimeout(timer);
  }, [isAsking]);
  const click = () => {
    if (!isAsking) return setAsking(true);
    setAsking(false);
    return request("PATCH", `${jobPath(job.id)}?mode=cancel`).then(() => setProblem(null), setProblem);
  };
  return html`${problem && html`<span class="tone-bad plain small" role="alert">${problem.detail}</span>`}
    <button class=${isAsking ? "danger armed" : "danger"} disabled=${isCancelling} onClick=${click}>
      ${isAsking ? "Really cancel?" : "Cancel job"}
    </button>`;
}

function Configuration({ job }) {
  const args = Object.entries(job.args);
  return html`<${Panel} title="Configuration" id="configuration">
    <div class="columns even">
      <${Pairs} caption="Arguments" pairs=${args} none="The job was submitted without arguments." />
      <${Pairs} caption="Options" pairs=${Object.entries(job.options)} none="" />
    </div>
  <//>`;
}

function Pairs({ caption, pairs, none }) {
  if (pairs.length === 0) return html`<${Empty}>${none}<//>`;
  return html`<table class="pairs">
    <caption>${caption}</caption>
    <tbody>
      ${pairs.map(([key, value]) => html`<tr key=${key}><th scope="row" class="mono">${key}</th><td class="mono">${String(value)}</td></tr>`)}
    </tbody>
  </table>`;
}
