// The supervision tree: who watches whom, and, where chaos is allowed, a button that kills.
import { html, useState } from "./html.js";
import { Panel, State } from "./parts.js";
import { jobPath, request } from "./rest.js";

// Parents come before their children, whatever the order of the list.
function inTreeOrder(actors) {
  const children = new Map();
  for (const actor of actors) {
    children.set(actor.parent, [...(children.get(actor.parent) ?? []), actor]);
  }
  const walk = (parent, depth) =>
    (children.get(parent) ?? []).flatMap((actor) => [{ actor, depth }, ...walk(actor.id, depth + 1)]);
  return walk(null, 0);
}

export function Actors({ job, chaos }) {
  const [note, setNote] = useState(null);
  const kill = (actor) => {
    const sent = request("DELETE", `${jobPath(job.id)}/actors/${encodeURIComponent(actor.id)}`);
    sent.then(
      () => setNote({ text: `killed ${actor.id}` }),
      (problem) => setNote({ text: problem.detail || problem.title, isBad: true }),
    );
  };
  const aside = html`<span role="status" class=${note?.isBad ? "tone-bad plain" : ""}>${note?.text ?? `${job.actors.length} actors`}</span>`;
  return html`<${Panel} title="Supervision tree" id="actors" flush aside=${aside}>
    <div class="scroll tall"><ul class="tree" role="tree" aria-labelledby="actors">
      ${inTreeOrder(job.actors).map(({ actor, depth }) => html`<${Actor} key=${actor.id} actor=${actor} depth=${depth} kill=${chaos ? kill : null} />`)}
    </ul></div>
  <//>`;
}

function Actor({ actor, depth, kill }) {
  const canDie = !["FINISHED", "CANCELED"].includes(actor.state);
  return html`<li class="actor" role="treeitem" aria-level=${depth + 1} style=${{ paddingLeft: `${16 + depth * 22}px` }}>
    <span class="actor-name">
      <span><span class="mono">${actor.id}</span>${actor.name.toLowerCase() !== actor.id.replaceAll("-", " ") && html` <span class="dim">${actor.name}</span>`}</span>
      ${actor.last_failure && html`<span class="small dim clip" title=${actor.last_failure}>last died of: ${actor.last_failure}</span>`}
    </span>
    <span class=${actor.restarts ? "tone-warn plain nowrap" : "dim nowrap"}>${actor.restarts} ${actor.restarts === 1 ? "restart" : "restarts"}</span>
    <${State} state=${actor.state} />
    ${kill && html`<button class="danger small" disabled=${!canDie} aria-label=${`Kill ${actor.id}`} onClick=${() => kill(actor)}>Kill</button>`}
  </li>`;
}
