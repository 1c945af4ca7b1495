// What the metrics were: charts of up to a day back, with a slider for when.
import { html, useEffect, useMemo, useState } from "./html.js";
import { Chart, COLORS } from "./chart.js";
import * as format from "./format.js";
import { usePolled } from "./live.js";
import { Empty, Panel, ProblemNote } from "./parts.js";
import { jobPath, search } from "./rest.js";

const MINUTE_MS = 60_000;
const DAY_MS = 1440 * MINUTE_MS;
const SPANS = [[5, "5 min"], [15, "15 min"], [60, "1 h"], [360, "6 h"], [1440, "24 h"]];
const POINTS = 240;
const FOLLOW_MS = 5000;
const LINES_MAX = 2 * COLORS.length;

export const History = ({ job }) => html`<${MetricHistory} path=${`${jobPath(job.id)}/metrics`} vertices=${job.vertices} endedAt=${job.ended_at_ms} serverNow=${job.now_ms} />`;

export function MetricHistory({ path, vertices, serverNow, endedAt = null }) {
  const [span, setSpan] = useState(15 * MINUTE_MS);
  // Null follows the present; of a job that has ended, its last minutes are shown first.
  const [to, setTo] = useState(endedAt);
  const [vertex, setVertex] = useState("");
  // Times are the server's, whose clock may differ from ours.
  const [skew] = useState(() => serverNow - Date.now());
  const [now, setNow] = useState(serverNow);
  useEffect(() => {
    const timer = setInterval(() => document.hidden || setNow(Date.now() + skew), FOLLOW_MS);
    return () => clearInterval(timer);
  }, []);
  const end = to ?? now;
  const range = [end - span, end];
  const { data, problem } = usePolled(`${path}${search({ from_ms: Math.round(range[0]), to_ms: Math.round(end), points: POINTS, vertex })}`, 0);
  const charts = useMemo(() => chartsOf(data?.series ?? [], vertices), [data]);
  const zoom = (from, until) => {
    setSpan(Math.max(10_000, until - from));
    setTo(until);
  };
  return html`<div class="filters">
      <div class="chips" role="group" aria-label="How much is shown">
        ${SPANS.map(([minutes, text]) => html`<button key=${text} class="chip" aria-pressed=${span === minutes * MINUTE_MS} onClick=${() => setSpan(minutes * MINUTE_MS)}>${text}</button>`)}
      </div>
      ${vertices && html`<label class="inline">vertex <select value=${vertex} onChange=${(event) => setVertex(event.target.value)}>
        <option value="">all</option>${vertices.map((each) => html`<option key=${each.id} value=${each.id}>${`${each.id} ${each.name}`.slice(0, 60)}</option>`)}
      </select></label>`}
      <label class="inline slider">until
        <input type="range" min=${-DAY_MS} max="0" step=${MINUTE_MS / 2} value=${to === null ? 0 : to - now} aria-valuetext=${to === null ? "now" : format.time(to)}
          onInput=${(event) => setTo(Number(event.target.value) === 0 ? null : now + Number(event.target.value))} />
        <output class="slider-time">${to === null ? "now" : format.time(to)}</output></label>
      <button disabled=${to === null} onClick=${() => setTo(null)}>Follow</button>
    </div>
    ${problem && html`<${ProblemNote} problem=${problem} />`}
    ${charts.length === 0 && html`<${Panel} title="Metrics" id="metrics"><${Empty}>${data ? "Nothing was recorded in this time." : "Loading…"}<//><//>`}
    <div class="charts">
      ${charts.map(({ name, unit, lines, columns, left }) => html`<${Panel} key=${name} title=${titleOf(name)} id=${`metric-${name}`} flush aside=${left > 0 ? `${left} more: choose a vertex` : unit}>
        <${Chart} label=${`${titleOf(name)} over time`} lines=${lines} columns=${columns} height=${200} range=${range} select=${zoom} />
      <//>`)}
    </div>`;
}

const TITLES = { cpu_cores: "CPU", memory_bytes: "Memory", state_bytes: "State size", checkpoint_bytes: "Written by a checkpoint", busy_max: "Busy, busiest subtask", backpressured_max: "Back-pressured, worst subtask" };

const titleOf = (name) => {
  if (TITLES[name]) return TITLES[name];
  const words = name.replace(/_ms$/, "").replace(/_/g, " ");
  return words[0].toUpperCase() + words.slice(1);
};

// One chart per metric, one line per vertex that has it.
function chartsOf(series, vertices) {
  const byName = new Map();
  for (const each of series) {
    if (each.values.some(([, value]) => value !== null)) byName.set(each.name, [...(byName.get(each.name) ?? []), each]);
  }
  const nameOf = ({ vertex }) => {
    if (!vertex) return null;
    const known = vertices?.find(({ id }) => id === vertex)?.name ?? "";
    return `${vertex} ${known}`.slice(0, 28);
  };
  return [...byName].map(([name, all]) => {
    const shown = all.slice(0, LINES_MAX);
    const times = [...new Set(shown.flatMap(({ values }) => values.map(([time]) => time)))].sort((one, other) => one - other);
    const columns = shown.map(({ values }) => {
      const at = new Map(values);
      return times.map((time) => at.get(time) ?? null);
    });
    return {
      name,
      unit: all[0].unit,
      lines: shown.map((each) => ({ label: nameOf(each) ?? (all.length > 1 ? "whole job" : titleOf(name)), unit: each.unit })),
      columns: [times.map((time) => time / 1000), ...columns],
      left: all.length - shown.length,
    };
  });
}
