// The state browser: what an operator remembers, at a checkpoint, by key or page after page.
import { html, useState } from "./html.js";
import * as format from "./format.js";
import { usePolled } from "./live.js";
import { Empty, heads, Panel, ProblemNote, Scroll } from "./parts.js";
import { jobPath, search } from "./rest.js";

const AT_ONCE = 50;
const POLL_MS = 10_000;

export function StateBrowser({ job, may }) {
  const [chosen, setChosen] = useState(null);
  const [checkpoint, setCheckpoint] = useState("");
  // What an ended job kept is gone, unless it failed.
  const isThere = job.last_completed_checkpoint !== null && !["FINISHED", "CANCELED"].includes(job.state);
  const { data, problem } = usePolled(isThere ? `${jobPath(job.id)}/state${search({ checkpoint })}` : null, POLL_MS);
  const states = (data?.vertices ?? []).flatMap((vertex) => vertex.states.map((state) => ({ vertex, state })));
  const nameOf = (id) => job.vertices.find((vertex) => vertex.id === id)?.name ?? "";
  const isChosen = ({ vertex, state }) => chosen?.vertex === vertex.vertex && chosen?.state === state.name;
  return html`<div class="filters">
      <label class="inline">at checkpoint <select value=${checkpoint} onChange=${(event) => setCheckpoint(event.target.value)}>
        <option value="">newest</option>
        ${(data?.checkpoints ?? []).map((each) => html`<option key=${each.id} value=${each.id}>${each.id}${each.triggered_at_ms ? `, ${format.clock(each.triggered_at_ms)}` : ""}</option>`)}
      </select></label>
    </div>
    ${problem && html`<${ProblemNote} problem=${problem} />`}
    <${Panel} title="States" id="states" flush aside=${data ? states.length : ""}>
      ${states.length === 0 && html`<${Empty}>${!isThere ? "No completed checkpoint is kept: there is no state to look at." : data ? "No vertex of this job has keyed state at a checkpoint." : problem ? "" : "Loading…"}<//>`}
      ${states.length > 0 &&
      html`<${Scroll} label="States" tall><table>
        <caption class="visually-hidden">States</caption>
        <thead><tr>${heads([["Vertex"], ["State"], ["Kind"], ["Keys"], ["Values"], ["Vertex's state", "num"]])}</tr></thead>
        <tbody>${states.map(
          (each) => html`<tr key=${`${each.vertex.vertex}/${each.state.name}`} class=${isChosen(each) ? "chosen" : ""}>
            <td class="clip-cell"><span class="mono">${each.vertex.vertex}</span> <span class="dim">${nameOf(each.vertex.vertex)}</span></td>
            <td class="mono">${may ? html`<button class="link" aria-pressed=${isChosen(each)} onClick=${() => setChosen({ vertex: each.vertex.vertex, state: each.state.name })}>${each.state.name}</button>` : each.state.name}</td>
            <td class="dim" title=${each.state.note}>${each.state.kind}</td><td class="mono dim clip-cell" title=${each.state.key_type}>${each.state.key_type ?? "–"}</td><td class="mono dim clip-cell" title=${each.state.value_type}>${each.state.value_type ?? "–"}</td><td class="num">${format.bytes(each.vertex.keyed_bytes)}</td>
          </tr>`,
        )}</tbody>
      </table><//>`}
    <//>
    ${chosen && html`<${Entries} key=${`${chosen.vertex}/${chosen.state}/${checkpoint}`} job=${job} ...${chosen} checkpoint=${checkpoint} />`}`;
}

function Entries({ job, vertex, state, checkpoint }) {
  const [key, setKey] = useState("");
  // Where each page that was looked at begins; the last is the one that is shown. All are of one checkpoint, though newer ones come.
  const [pages, setPages] = useState([{ checkpoint }]);
  const path = `${jobPath(job.id)}/state/${encodeURIComponent(vertex)}/${encodeURIComponent(state)}`;
  const { data, problem } = usePolled(path + search({ key, limit: AT_ONCE, ...pages.at(-1) }), 0);
  // What was there before the last question is no answer to it.
  const entries = problem ? null : data?.entries;
  const look = (event) => {
    event.preventDefault();
    setPages([{ checkpoint }]);
    setKey(new FormData(event.target).get("key").trim());
  };
  return html`<${Panel} title=${`${vertex} · ${state}`} id="entries" flush aside=${data ? `checkpoint ${data.checkpoint}` : ""}>
    <form class="panel-body filters" onSubmit=${look}>
      <label class="inline">key <input name="key" autocomplete="off" placeholder="all keys" /></label>
      <button>Look up</button>
    </form>
    ${problem && html`<${ProblemNote} problem=${problem} />`}
    ${entries?.length === 0 && html`<${Empty}>${key ? "There is nothing under this key." : "The state is empty."}<//>`}
    ${entries?.length > 0 &&
    html`<${Scroll} label="Entries" tall><table>
      <caption class="visually-hidden">Entries</caption>
      <thead><tr>${heads([["Key"], ["Namespace"], ["Value"], ["Key group", "num"], ["Subtask", "num"]])}</tr></thead>
      <tbody>${entries.map(
        (entry, index) => html`<tr key=${index}>
          <td class="mono breakable">${shown(entry.key)}</td><td class="mono dim breakable">${shown(entry.namespace)}</td><td class="mono breakable value">${shown(entry.value)}<${Note} note=${entry.note} /></td>
          <td class="num">${entry.key_group ?? "–"}</td><td class="num">${entry.subtask}</td>
        </tr>`,
      )}</tbody>
    </table><//>`}
    <nav class="pages" aria-label="Pages of entries">
      <button disabled=${pages.length < 2} onClick=${() => setPages(pages.slice(0, -1))}>Back</button>
      <button disabled=${!data?.next} onClick=${() => setPages([...pages, { checkpoint: data.checkpoint, after: data.next }])}>Next</button>
    </nav>
  <//>`;
}

// What is missing of a value, and why.
export const Note = ({ note }) => note && html` <span class="small tone-warn plain">${note}</span>`;

export const shown = (value) => (value === null || value === undefined ? "–" : typeof value === "string" ? value : JSON.stringify(value));
