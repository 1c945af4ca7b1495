// Pieces that several pages use.
import { html, useEffect, useLayoutEffect, useRef, useState } from "./html.js";
import * as format from "./format.js";

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

export const ReadOnly = () => html`<${ProblemNote} problem=${{ title: "Read only", detail: "your token may look, but not run anything" }} />`;

export const Time = ({ ms, short }) =>
  ms === null || ms === undefined
    ? "–"
    : html`<time class="nowrap" datetime=${new Date(ms).toISOString()} title=${format.time(ms)}>${short ? format.clock(ms) : format.time(ms)}</time>`;

// A heading of the whole page, with what can be done at its right.
export const Heading = ({ title, children }) => html`<div class="heading"><h1>${title}</h1>${children}</div>`;

export const Facts = ({ facts }) => html`<dl class="facts">
  ${facts.filter(Boolean).map(([label, value]) => html`<div key=${label}><dt>${label}</dt><dd>${value}</dd></div>`)}
</dl>`;

// What scrolls by itself can be scrolled with the keyboard, too.
export const Scroll = ({ label, tall, children, ...rest }) =>
  html`<div class=${tall ? "scroll tall" : "scroll"} role="group" aria-label=${label} tabindex="0" ...${rest}>${children}</div>`;

// A link in a bar of links; that to where one is scrolls into view on a narrow screen.
export function Here({ href, isHere, children }) {
  const link = useRef(null);
  useLayoutEffect(() => {
    const bar = link.current.parentElement;
    if (isHere) bar.scrollLeft = link.current.offsetLeft - bar.offsetLeft - bar.clientWidth / 2;
  }, [isHere]);
  return html`<a ref=${link} href=${href} aria-current=${isHere ? "page" : undefined}>${children}</a>`;
}

// How busy a task is: working, held up from downstream (hatched, so that it is not told by colour alone), and idle.
export function Load({ busy, backpressured, wide }) {
  const share = (value) => `${Math.round((value ?? 0) * 1000) / 10}%`;
  const label = busy === null || busy === undefined ? "load unknown" : `busy ${share(busy)}, back-pressured ${share(backpressured)}`;
  return html`<span class=${wide ? "load wide" : "load"} role="img" aria-label=${label} title=${label}>
    <span class="load-busy" style=${{ width: share(busy) }}></span>
    <span class="load-backpressured" style=${{ width: share(Math.min(backpressured ?? 0, 1 - (busy ?? 0))) }}></span>
  </span>`;
}

// A dialog over the page; Escape and the close button end it, and the focus goes back to where it was.
export function Dialog({ title, close, children, wide }) {
  const dialog = useRef(null);
  useEffect(() => {
    const before = document.activeElement;
    dialog.current.showModal();
    return () => before?.focus?.();
  }, []);
  return html`<dialog ref=${dialog} class=${wide ? "wide" : ""} aria-labelledby="dialog-title" onClose=${close}>
    <header class="panel-head"><h2 id="dialog-title">${title}</h2><button class="quiet" aria-label="Close" onClick=${close}>✕</button></header>
    <div class="panel-body">${children}</div>
  </dialog>`;
}

// A button that asks before it does something that cannot be undone. `act` returns a promise.
export function Asking({ label, question, consequence, act, danger, small, disabled, ariaLabel, done }) {
  const [isOpen, setOpen] = useState(false);
  const [problem, setProblem] = useState(null);
  const [isSending, setSending] = useState(false);
  const close = () => {
    setOpen(false);
    setProblem(null);
  };
  const confirm = () => {
    setSending(true);
    act().then((answer) => {
      close();
      done?.(answer);
    }, setProblem).finally(() => setSending(false));
  };
  const kind = `${danger ? "danger" : ""} ${small ? "small" : ""}`;
  return html`<button class=${kind} disabled=${disabled} aria-label=${ariaLabel} onClick=${() => setOpen(true)}>${label}</button>
    ${isOpen &&
    html`<${Dialog} title=${question} close=${close}>
      <p class="breakable">${consequence}</p>
      ${problem && html`<${ProblemNote} problem=${problem} />`}
      <div class="dialog-actions">
        <button onClick=${close}>No, leave it</button>
        <button class="primary ${danger ? "armed" : ""}" disabled=${isSending} onClick=${confirm}>${ariaLabel ?? label}</button>
      </div>
    <//>`}`;
}

const ROWS_BEYOND = 6;

// A table of which only the rows in view are in the document. Rows are all `rowPx` high.
export function VirtualTable({ label, head, rows, row, rowPx = 38, heightMax = 388, foot }) {
  const place = useRef(null);
  const [view, setView] = useState({ top: 0, height: heightMax });
  const measure = () => {
    const { scrollTop: top, clientHeight: height } = place.current;
    setView((before) => (before.top === top && before.height === height ? before : { top, height }));
  };
  useLayoutEffect(measure, [rows.length]);
  const first = Math.max(0, Math.floor(view.top / rowPx) - ROWS_BEYOND);
  const last = Math.min(rows.length, Math.ceil((view.top + view.height) / rowPx) + ROWS_BEYOND);
  const gap = (number) => number > 0 && html`<tr aria-hidden="true" class="gap"><td style=${{ height: `${number * rowPx}px` }}></td></tr>`;
  return html`<div class="scroll tall" style=${{ maxHeight: `${heightMax}px` }} ref=${place} onScroll=${measure} role="group" aria-label=${label} tabindex="0">
    <table aria-rowcount=${rows.length + 1} class="even-rows" style=${{ "--row": `${rowPx}px` }}>
      <caption class="visually-hidden">${label}</caption>
      <thead><tr>${head}</tr></thead>
      <tbody>${gap(first)}${rows.slice(first, last).map((each, index) => row(each, first + index))}${gap(rows.length - last)}</tbody>
    </table>${foot}
  </div>`;
}

// Column headings: [text, class, title].
export const heads = (columns) =>
  columns.filter(Boolean).map(([text, kind, title]) => html`<th key=${text} scope="col" class=${kind ?? ""} title=${title}>${text}</th>`);
