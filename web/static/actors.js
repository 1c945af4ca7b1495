// The supervision tree: who watches whom, and, where chaos is allowed, a button that kills.
import { html, useState } from "./html.js";
import { usePolled } from "./live.js";
import { Asking, heads, Panel, State, VirtualTable } from "./parts.js";
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

export function Actors({ job, may }) {
  const { data: overview } = usePolled("/overview", 0);
  const [note, setNote] = useState(null);
  const canKill = may && overview?.chaos;
  const kill = (actor) => request("DELETE", `${jobPath(job.id)}/actors/${encodeURIComponent(actor.id)}`).then(() => setNote(`killed ${actor.id}`));
  const columns = [["Actor"], ["Name"], ["State", "w-state"], ["Restarts", "num w-small"], ["Last died of"], canKill && ["Chaos", "w-small"]];
  return html`<${Panel} title="Supervision tree" id="actors" flush aside=${html`<span role="status">${note ?? `${job.actors.length} actors`}</span>`}>
    <${VirtualTable} label="Supervision tree" heightMax=${560} rowPx=${42} head=${heads(columns)} rows=${inTreeOrder(job.actors)}
      row=${({ actor, depth }, index) => html`<${Actor} key=${actor.id} index=${index} actor=${actor} depth=${depth} kill=${canKill ? kill : null} />`} />
  <//>`;
}

function Actor({ index, actor, depth, kill }) {
  const canDie = !["FINISHED", "CANCELED", "FAILED"].includes(actor.state);
  return html`<tr aria-rowindex=${index + 2}>
    <td class="nowrap"><span style=${{ paddingLeft: `${depth * 22}px` }}>${depth > 0 && html`<span class="dim" aria-hidden="true">└ </span>`}<span class="mono">${actor.id}</span></span></td>
    <td class="clip-cell dim" title=${actor.name}>${actor.name}</td>
    <td><${State} state=${actor.state} /></td>
    <td class=${actor.restarts ? "num tone-warn plain" : "num dim"}>${actor.restarts}</td>
    <td class="clip-cell wide small dim" title=${actor.last_failure}>${actor.last_failure ?? ""}</td>
    ${kill && html`<td><${Asking} label="Kill" ariaLabel=${`Kill ${actor.id}`} small danger disabled=${!canDie} question=${`Kill ${actor.id}?`} act=${() => kill(actor)}
      consequence="It dies as if it had failed. Its supervisor brings it back, with its region, from the newest checkpoint." /></td>`}
  </tr>`;
}
