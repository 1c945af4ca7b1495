// What died, of what, and how the job came back from it.
import { html } from "./html.js";
import * as format from "./format.js";
import { Empty, Panel } from "./parts.js";

export function Exceptions({ exceptions }) {
  return html`<${Panel} title="Exceptions and recoveries" id="exceptions" flush aside=${exceptions.length}>
    <div class="scroll tall">
      ${exceptions.length === 0 && html`<${Empty}>Nothing has failed.<//>`}
      <ol class="exceptions">
        ${exceptions.map((exception, index) => html`<${Exception} key=${`${exception.at_ms}-${exception.actor}-${exceptions.length - index}`} exception=${exception} />`)}
      </ol>
    </div>
  <//>`;
}

function Exception({ exception }) {
  const attempt = exception.attempt === null ? "" : ` · attempt ${exception.attempt}`;
  return html`<li class="exception">
    <div class="exception-head">
      <span class=${`kind ${exception.kind === "kill" ? "tone-warn" : "tone-bad"}`}>${exception.kind}</span>
      <span class="mono strong">${exception.actor}</span>
      <span class="dim clip" title=${exception.actor_name}>${exception.actor_name}${attempt}</span>
      <time class="dim nowrap" datetime=${new Date(exception.at_ms).toISOString()} title=${format.time(exception.at_ms)}>${format.clock(exception.at_ms)}</time>
    </div>
    <p class="exception-message mono">${exception.message}</p>
    <${Recovery} recovery=${exception.recovery} isControl=${exception.attempt === null} />
  </li>`;
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
