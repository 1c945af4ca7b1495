// The SQL editor: says what is wrong while one writes, shows what a query gives, submits jobs.
import { Editor, offsetOf } from "./editor.js";
import { html, useEffect, useRef, useState } from "./html.js";
import { useLive } from "./live.js";
import { Heading, Panel, ProblemNote, ReadOnly } from "./parts.js";
import { Results, usePreview } from "./preview.js";
import { get, request } from "./rest.js";
import { go, useTitle } from "./route.js";
import { mayOperate } from "./session.js";

const IDLE_MS = 400;
const KEPT_AS = "headwater.sql";
const EXAMPLE = `CREATE TABLE clicks (
  page INT,
  clicked_at TIMESTAMP_LTZ(3),
  WATERMARK FOR clicked_at AS clicked_at - INTERVAL '1' SECOND
) WITH (
  'connector' = 'datagen',
  'rows-per-second' = '50',
  'fields.page.min' = '1',
  'fields.page.max' = '5'
);

SELECT page, COUNT(*) AS clicks FROM clicks GROUP BY page;
`;

export function SqlPage({ session, frame: Frame }) {
  const { connection } = useLive("/api/v1/events", "overview", () => get("/overview"));
  const [text, setText] = useState(() => localStorage.getItem(KEPT_AS) ?? EXAMPLE);
  const [rows, setRows] = useState(100);
  const area = useRef(null);
  const validation = useValidation(text);
  const preview = usePreview();
  const may = mayOperate(session);
  const fault = preview.fault?.of === text ? preview.fault : validation?.errors?.[0];

  useTitle("SQL");
  useEffect(() => localStorage.setItem(KEPT_AS, text), [text]);

  const goToFault = () => {
    const offset = offsetOf(text, fault);
    area.current.focus();
    area.current.setSelectionRange(offset, offset);
  };
  const pressed = (event) => {
    if (!may || event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    preview.start(text, rows);
  };

  return html`<${Frame} connection=${connection} session=${session}>
    <${Heading} title="SQL" />
    <div class="sql" onKeyDown=${pressed}>
      <${Panel} title="Script" id="script" flush aside=${html`<kbd>Ctrl</kbd> + <kbd>Enter</kbd> previews`}>
        <${Editor} text=${text} onInput=${setText} mark=${fault?.line ? fault : null} describedBy="sql-verdict" areaRef=${area} />
        <${Verdict} validation=${validation} fault=${fault} goToFault=${goToFault} />
        ${!may && html`<${ReadOnly} />`}
        ${may && html`<div class="sql-actions">
          <button class="primary" onClick=${() => preview.start(text, rows)} disabled=${preview.isRunning}>Preview</button>
          <button onClick=${preview.stop} disabled=${!preview.isRunning}>Stop</button>
          <label class="inline">rows <input type="number" min="1" max="1000" value=${rows} onInput=${(event) => setRows(Number(event.target.value))} /></label>
          <span class="spring"></span>
          <${SubmitJob} text=${text} />
        </div>`}
      <//>
      <${Results} preview=${preview} />
      <${Plan} statements=${validation?.statements ?? []} />
    </div>
  <//>`;
}

// What the server says of the text as it was when nothing was typed for a moment.
function useValidation(text) {
  const [validation, setValidation] = useState(null);
  useEffect(() => {
    let isStale = false;
    const set = (answer) => isStale || setValidation(answer);
    const timer = setTimeout(() => {
      request("POST", "/sql/validate", { sql: text }).then(set, ({ title, detail }) =>
        set({ valid: false, errors: [{ message: detail || title }] }),
      );
    }, IDLE_MS);
    return () => {
      isStale = true;
      clearTimeout(timer);
    };
  }, [text]);
  return validation;
}

function Verdict({ validation, fault, goToFault }) {
  const number = validation?.statements?.length ?? 0;
  const told = fault
    ? html`<button class="quiet tone-bad plain" disabled=${!fault.line} onClick=${goToFault}>${fault.line ? `line ${fault.line}, column ${fault.column}` : "error"}</button>
        <span class="tone-bad plain">${fault.message}</span>${fault.hint && html`<span class="dim">${fault.hint}</span>`}`
    : validation && html`<span class="dim">${number === 1 ? "1 statement, " : `${number} statements, `}nothing wrong</span>`;
  return html`<div class="sql-verdict" id="sql-verdict" role="status">${told}</div>`;
}

function SubmitJob({ text }) {
  const [problem, setProblem] = useState(null);
  const [isSending, setSending] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const given = (name) => form.get(name).trim() || undefined;
    const parallelism = given("parallelism") && Number(given("parallelism"));
    setSending(true);
    setProblem(null);
    try {
      const { id } = await request("POST", "/jobs", { sql: text, name: given("name"), parallelism });
      go(`/jobs/${id}`);
    } catch (refused) {
      setProblem(refused);
      setSending(false);
    }
  };
  return html`<form class="sql-submit" onSubmit=${submit}>
    <label class="inline">job name <input name="name" maxlength="256" autocomplete="off" placeholder="that of its table" /></label>
    <label class="inline">parallelism <input name="parallelism" type="number" min="1" placeholder="1" /></label>
    <button disabled=${isSending}>${isSending ? "Submitting…" : "Submit job"}</button>
    ${problem && html`<${ProblemNote} problem=${problem} />`}
  </form>`;
}

function Plan({ statements }) {
  const planned = statements.filter((statement) => statement.plan);
  if (planned.length === 0) return null;
  return html`<${Panel} title="Plan" id="plan">
    ${planned.map(({ kind, location, plan }) => html`<details key=${location.line} class="plan">
      <summary><span class="strong">${kind}</span> <span class="dim">line ${location.line}</span></summary>
      <pre class="mono scroll">${plan}</pre>
    </details>`)}
  <//>`;
}
