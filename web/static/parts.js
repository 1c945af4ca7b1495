// Pieces that several pages use.
import { html } from "./html.js";

// The colour of a state; what is not named here is neutral.
const TONES = {
  RUNNING: "good",
  COMPLETED: "good",
  FINISHED: "done",
  FAILED: "bad",
  FAILING: "bad",
  RESTARTING: "warn",
  CANCELLING: "warn",
  CANCELING: "warn",
  DRAINING: "busy",
  CREATED: "busy",
  DEPLOYING: "busy",
  INITIALIZING: "busy",
  RECONCILING: "busy",
  IN_PROGRESS: "busy",
};

export const toneOf = (state) => TONES[state] ?? "quiet";

export const State = ({ state }) => html`<span class="state tone-${toneOf(state)}">${state}</span>`;

export const isTerminal = (state) => ["FINISHED", "FAILED", "CANCELED"].includes(state);

// One coloured box per state with the number of tasks in it.
export function TaskBoxes({ tasks }) {
  const states = Object.entries(tasks);
  const label = states.map(([state, number]) => `${number} ${state.toLowerCase()}`).join(", ");
  return html`<span class="task-boxes" role="img" aria-label=${label || "no tasks"}>
    ${states.map(
      ([state, number]) => html`<span key=${state} class="task-box tone-${toneOf(state)}" title=${`${number} ${state}`}>${number}</span>`,
    )}
  </span>`;
}

export const Panel = ({ title, aside, children, id, flush }) => html`<section class="panel" aria-labelledby=${id}>
  <header class="panel-head"><h2 id=${id}>${title}</h2>${aside && html`<div class="panel-aside">${aside}</div>`}</header>
  <div class=${flush ? "panel-body flush" : "panel-body"}>${children}</div>
</section>`;

export const Empty = ({ children }) => html`<p class="empty">${children}</p>`;

export const ProblemNote = ({ problem }) => html`<div class="problem" role="alert">
  <strong>${problem.title}</strong>
  ${problem.detail && html`<span>${problem.detail}</span>`}
  ${problem.hint && html`<span class="dim">${problem.hint}</span>`}
</div>`;

// How busy a task is: working, held up from downstream, and the rest.
export function Load({ busy, backpressured, wide }) {
  const share = (value) => `${Math.round((value ?? 0) * 1000) / 10}%`;
  const label = busy === null || busy === undefined ? "load unknown" : `busy ${share(busy)}, backpressured ${share(backpressured)}`;
  return html`<span class=${wide ? "load wide" : "load"} role="img" aria-label=${label} title=${label}>
    <span class="load-busy" style=${{ width: share(busy) }}></span>
    <span class="load-backpressured" style=${{ width: share(Math.min(backpressured ?? 0, 1 - (busy ?? 0))) }}></span>
  </span>`;
}
