// The server's configuration, and where each value came from; and that of a job.
import { html, useState } from "./html.js";
import * as format from "./format.js";
import { connectionOf, usePolled } from "./live.js";
import { Empty, Heading, heads, Panel, ProblemNote, Scroll, Time, VirtualTable } from "./parts.js";
import { useTitle } from "./route.js";
import { mayOperate } from "./session.js";

const POLL_MS = 10_000;

export function ConfigPage({ session, frame: Frame }) {
  const { data, problem, isMissing } = usePolled("/config", POLL_MS);
  const [text, setText] = useState("");
  const [isSetOnly, setSetOnly] = useState(false);
  useTitle("Configuration");
  const shown = (data?.entries ?? []).filter(
    (entry) => `${entry.key} ${entry.description ?? ""}`.toLowerCase().includes(text.toLowerCase()) && !(isSetOnly && entry.origin === "default"),
  );
  return html`<${Frame} connection=${connectionOf(data ?? isMissing, problem)} session=${session}>
    <${Heading} title="Configuration" />
    <div class="filters">
      <label class="inline">key <input type="search" value=${text} onInput=${(event) => setText(event.target.value)} placeholder="part of it" /></label>
      <label class="inline"><input type="checkbox" checked=${isSetOnly} onChange=${(event) => setSetOnly(event.target.checked)} />only what is not the default</label>
    </div>
    ${problem && html`<${ProblemNote} problem=${problem} />`}
    <${Panel} title="Effective values" id="entries" flush aside=${data ? `${shown.length} of ${data.entries.length}` : ""}>
      ${shown.length === 0 && html`<${Empty}>${data ? "No key is like that." : "Loading…"}<//>`}
      ${shown.length > 0 &&
      html`<${Scroll} label="Configuration"><table class="config">
        <caption class="visually-hidden">Configuration</caption>
        <thead><tr>${heads([["Key"], ["Value"], ["From"], ["Default"], ["Description"]])}</tr></thead>
        <tbody>
          ${shown.map(
            ({ key, value, origin, default: byDefault, description }) => html`<tr key=${key}>
              <th scope="row" class="mono">${key}</th><td class="mono breakable strong">${written(value)}</td>
              <td><span class=${`state tone-${origin === "default" ? "quiet" : "done"}`}>${origin}</span></td>
              <td class="mono dim breakable">${written(byDefault)}</td><td class="dim description">${description}</td>
            </tr>`,
          )}
        </tbody>
      </table><//>`}
    <//>
    ${data && mayOperate(session) && html`<${Audit} />`}
  <//>`;
}

// Who did what here, and who tried to.
function Audit() {
  const { data } = usePolled("/audit", POLL_MS);
  if (!data) return null;
  return html`<${Panel} title="Audit log" id="audit" flush aside="newest first">
    <${VirtualTable} label="Audit log" head=${heads([["Time", "w-time"], ["Who"], ["From"], ["What"], ["Outcome"]])} rows=${data.entries}
      row=${(entry, index) => html`<tr key=${entry.seq} aria-rowindex=${index + 2}>
        <td><${Time} ms=${entry.at_ms} /></td><td>${entry.who ?? "–"}</td><td class="mono">${entry.peer}</td><td class="mono clip-cell wide" title=${entry.action}>${entry.action}</td>
        <td><span class=${`state tone-${entry.outcome === "done" ? "good" : "bad"}`}>${entry.outcome}</span> <span class="dim">${entry.status}</span></td>
      </tr>`} />
  <//>`;
}

const written = (value) => (value === null || value === undefined || value === "" ? "–" : typeof value === "object" ? JSON.stringify(value) : String(value));

// What a job was submitted with, and all options that hold for it.
export function Settings({ job }) {
  const args = Object.entries(job.args);
  return html`<${Panel} title="Arguments" id="arguments">
      <${Pairs} caption="Arguments" pairs=${args} none="The job was submitted without arguments." />
    <//>
    <${Panel} title="Options" id="options"><${Pairs} caption="Options" pairs=${Object.entries(job.options)} none="" /><//>`;
}

function Pairs({ caption, pairs, none }) {
  if (pairs.length === 0) return html`<${Empty}>${none}<//>`;
  return html`<table class="pairs">
    <caption class="visually-hidden">${caption}</caption>
    <tbody>
      ${pairs.map(([key, value]) => html`<tr key=${key}><th scope="row" class="mono">${key}</th><td class="mono" title=${String(value)}>${format.option(value)}</td></tr>`)}
    </tbody>
  </table>`;
}
