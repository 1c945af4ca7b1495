// All jobs, or those that a name and states choose, some at a time.
import { html, useEffect, useState } from "./html.js";
import * as format from "./format.js";
import { connectionOf, usePolled } from "./live.js";
import { Empty, Heading, heads, isTerminal, Panel, ProblemNote, Scroll, State, TaskBoxes, Time } from "./parts.js";
import { search } from "./rest.js";
import { go, useRoute, useTitle } from "./route.js";
import { mayOperate } from "./session.js";
import { WhyLine } from "./why.js";

const POLL_MS = 2000;
const AT_ONCE = 50;
const TYPING_MS = 300;
const STATES = [
  ["", "All"],
  ["CREATED,INITIALIZING,RUNNING,RESTARTING,FAILING,CANCELLING,RECONCILING,SUSPENDED", "Running"],
  ["FINISHED", "Finished"],
  ["FAILED", "Failed"],
  ["CANCELED", "Canceled"],
];

export function JobsPage({ session, frame: Frame }) {
  const { query } = useRoute();
  const [state, name, after] = ["state", "name", "after"].map((key) => query.get(key) ?? "");
  const { data, problem } = usePolled(`/jobs${search({ state, name, after, limit: AT_ONCE })}`, POLL_MS);
  useTitle("Jobs");
  const link = (change) => `/jobs${search({ state, name, ...change })}`;
  return html`<${Frame} connection=${connectionOf(data, problem)} session=${session}>
    <${Heading} title="Jobs">${mayOperate(session) && html`<a class="button" href="/submit">Submit a job</a>`}<//>
    <div class="filters">
      <div class="chips" role="group" aria-label="State">
        ${STATES.map(([value, text]) => html`<a key=${text} class="chip" href=${link({ state: value })} aria-current=${value.split(",").includes(state) || value === state ? "true" : undefined}>${text}</a>`)}
      </div>
      <${NameFilter} name=${name} link=${link} />
    </div>
    ${problem && html`<${ProblemNote} problem=${problem} />`}
    <${Panel} title="Jobs" id="jobs" flush aside=${data ? told(data) : ""}>
      ${data && (data.jobs.length ? html`<${JobTable} jobs=${data.jobs} label="Jobs" ended />` : html`<${Empty}>No job is like that.<//>`)}
      ${!data && html`<${Empty}>Loading…<//>`}
      ${(after || data?.next) && html`<nav class="pages" aria-label="Pages of jobs">
        ${after && html`<a class="button" href=${link({})}>Newest</a>`}
        ${data?.next && html`<a class="button" href=${link({ after: data.next })}>Older</a>`}
      </nav>`}
    <//>
  <//>`;
}

const told = ({ jobs, total }) => (total === undefined || total === jobs.length ? `${jobs.length}` : `${jobs.length} of ${total}`);

function NameFilter({ name, link }) {
  const [text, setText] = useState(name);
  useEffect(() => {
    if (text === name) return undefined;
    const timer = setTimeout(() => go(link({ name: text }), { replace: true }), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return html`<label class="inline">name <input type="search" value=${text} onInput=${(event) => setText(event.target.value)} placeholder="part of it" /></label>`;
}

// `whys` also says of each job that runs how it is.
export function JobTable({ jobs, label, ended, whys }) {
  const columns = [["Job"], ["State", "w-state"], ["Started", "w-time"], ended && ["Ended", "w-time"], ["Duration", "num w-duration"], ["Tasks", "w-tasks"], ["Restarts", "num w-small"]];
  return html`<${Scroll} label=${label}><table>
    <caption class="visually-hidden">${label}</caption>
    <thead><tr>${heads(columns)}</tr></thead>
    <tbody>
      ${jobs.map(
        (job) => html`<tr key=${job.id}>
          <td class="job-cell">
            <a class="strong breakable" href=${`/jobs/${job.id}`}>${job.name}</a>
            <div class="dim mono small">${job.program} · ${job.id.slice(0, 8)}</div>
            ${job.failure && html`<div class="tone-bad plain small lines" title=${job.failure}>${format.shortNames(job.failure)}</div>`}
            ${whys && html`<${WhyLine} why=${whys.get(job.id)} />`}
          </td>
          <td><${State} state=${job.state} /></td>
          <td><${Time} ms=${job.started_at_ms ?? job.submitted_at_ms} /></td>
          ${ended && html`<td><${Time} ms=${job.ended_at_ms} /></td>`}
          <td class="num nowrap">${format.duration(job.duration_ms)}</td>
          <td><${TaskBoxes} tasks=${job.tasks} /></td>
          <td class=${job.restarts ? "num tone-warn plain" : "num dim"}>${job.restarts}</td>
        </tr>`,
      )}
    </tbody>
  </table><//>`;
}
