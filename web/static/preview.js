// A preview: the first rows of a script's query, as they come.
import { html, useEffect, useLayoutEffect, useRef, useState } from "./html.js";
import { Empty, Panel, ProblemNote } from "./parts.js";
import { readEvents } from "./rest.js";

const NOTHING = { schema: null, rows: [], end: null, problem: null, fault: null, isRunning: false };
const COLUMN_PX_MIN = 130;
const ENDS = {
  finished: "the input has ended",
  rows: "that is as many as were asked for",
  timeout: "the time is over",
  stopped: "stopped",
  cut: "the server is gone",
};

// Returns what there is of the preview, with `start(text, rows)` and `stop()`.
export function usePreview() {
  const [preview, setPreview] = useState(NOTHING);
  const running = useRef(null);
  useEffect(() => () => running.current?.abort(), []);

  const start = async (text, rows) => {
    running.current?.abort();
    const abort = new AbortController();
    running.current = abort;
    const update = (change) => running.current === abort && setPreview((before) => ({ ...before, ...change(before) }));
    setPreview({ ...NOTHING, isRunning: true });
    const take = (name, data) => {
      if (name === "schema") update(() => ({ schema: data }));
      if (name === "rows") update((before) => ({ rows: [...before.rows, ...data.rows] }));
      if (name === "end") update(() => ({ end: data.reason }));
      if (name === "error") update(() => ({ fault: { ...data, of: text }, end: "error" }));
    };
    try {
      await readEvents("/sql/preview", { sql: text, rows }, abort.signal, take);
      update((before) => ({ end: before.end ?? "cut" }));
    } catch (refused) {
      if (abort.signal.aborted) update(() => ({ end: "stopped" }));
      else update(() => ({ problem: refused.title ? refused : { title: "Server unreachable", detail: refused.message } }));
    }
    update(() => ({ isRunning: false }));
  };

  return { ...preview, start, stop: () => running.current?.abort() };
}

export function Results({ preview }) {
  const { schema, rows, end, problem, fault, isRunning } = preview;
  const body = useRef(null);
  const isAtEnd = useRef(true);
  // The newest rows are shown, unless the reader has scrolled up.
  useLayoutEffect(() => {
    if (body.current && isAtEnd.current) body.current.scrollTop = body.current.scrollHeight;
  }, [rows]);
  const scrolled = ({ target }) => {
    isAtEnd.current = target.scrollHeight - target.scrollTop - target.clientHeight < 8;
  };

  const number = `${rows.length} ${rows.length === 1 ? "row" : "rows"}`;
  const state = isRunning ? `${number}, running` : end && ENDS[end] && `${number}, ${ENDS[end]}`;
  return html`<${Panel} title="Preview" id="preview" flush aside=${html`<span role="status">${state ?? ""}</span>`}>
    <div class="scroll preview" ref=${body} onScroll=${scrolled} tabindex="0" role="group" aria-label="Rows">
      ${problem && html`<${ProblemNote} problem=${problem} />`}
      ${fault && html`<${ProblemNote} problem=${{ title: "Nothing to show", detail: fault.message, hint: fault.hint }} />`}
      ${!schema && !problem && !fault && html`<${Empty}>${isRunning ? "Starting…" : "Preview runs the script's last query here and now, and keeps nothing."}<//>`}
      ${schema && html`<table style=${{ minWidth: `${schema.columns.length * COLUMN_PX_MIN}px` }}>
        <thead><tr>
          ${schema.updating && html`<th scope="col" class="w-small">op</th>`}
          ${schema.columns.map(({ name, type }, index) => html`<th key=${index} scope="col" class="clip-cell" title=${`${name} ${type}`}>${name} <span class="dim small">${type}</span></th>`)}
        </tr></thead>
        <tbody>${rows.map((row, index) => html`<${Row} key=${index} row=${row} updating=${schema.updating} />`)}</tbody>
      </table>`}
    </div>
  <//>`;
}

const OP_TONES = { "+I": "good", "+U": "busy", "-U": "quiet", "-D": "bad" };

const Row = ({ row, updating }) => html`<tr>
  ${updating && html`<td><span class="state mono tone-${OP_TONES[row.op]}">${row.op}</span></td>`}
  ${row.row.map((cell, index) => html`<td key=${index} class="mono preview-cell" title=${cell ?? "NULL"}>${cell ?? html`<span class="dim">NULL</span>`}</td>`)}
</tr>`;
