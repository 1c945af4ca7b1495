// Lines over time, drawn by uPlot in the page's colours.
import { html, useEffect, useRef, useState } from "./html.js";
import * as format from "./format.js";
import uPlot from "./vendor/uplot.js";

// Steps of an axis that read well in KiB and MiB.
const POWERS_OF_TWO = Array.from({ length: 50 }, (_, exponent) => 2 ** exponent);
const WHOLE = Array.from({ length: 45 }, (_, place) => [1, 2, 5][place % 3] * 10 ** Math.floor(place / 3));
const DARK = matchMedia("(prefers-color-scheme: dark)");
export const COLORS = ["--accent", "--orange", "--violet", "--good", "--bad", "--done", "--warn", "--quiet"];

// How a unit is written, and the width of its axis.
const UNITS = {
  us: { write: format.micros },
  ms: { write: format.duration },
  seconds: { write: (value) => format.duration(value * 1000) },
  bytes: { write: format.bytes, incrs: POWERS_OF_TWO },
  "bytes/s": { write: format.bytesRate, incrs: POWERS_OF_TWO },
  "records/s": { write: format.rate },
  share: { write: format.percent, most: 1 },
  cores: { write: (value) => `${value.toFixed(2)} cores` },
  count: { write: format.count, incrs: WHOLE },
};
export const unitOf = (name) => UNITS[name] ?? UNITS.count;

function options(element, { lines, height, select }) {
  // The canvas knows nothing of CSS variables: an element's colour tells what one stands for.
  const color = (name) => {
    element.style.color = `var(${name})`;
    return getComputedStyle(element).color;
  };
  const axis = { stroke: color("--text-dim"), grid: { stroke: color("--line-soft"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
  const scales = [...new Set(lines.map((line) => line.unit))];
  const range = (most) => (_, low, high) => [0, Math.max((high ?? 1) * 1.15, most ?? 0) || 1];
  const made = {
    width: element.clientWidth,
    height,
    cursor: { points: { size: 7 }, drag: { x: Boolean(select), y: false, setScale: false } },
    scales: Object.fromEntries(scales.map((unit) => [unit, { range: range(unitOf(unit).most) }])),
    axes: [
      { ...axis, space: 76, size: 30, values: (_, seconds) => seconds.map((second) => format.clock(second * 1000)) },
      ...scales.map((unit, index) => ({
        ...axis, scale: unit, side: index === 0 ? 3 : 1, size: 72, grid: index === 0 ? axis.grid : { show: false }, incrs: unitOf(unit).incrs,
        values: (_, values) => values.map(unitOf(unit).write),
      })),
    ],
    series: [
      { label: "Time", value: (_, second) => (second === null || second === undefined ? "–" : format.clock(second * 1000)) },
      ...lines.map(({ label, unit, dots }, index) => ({
        label, scale: unit, stroke: color(COLORS[index % COLORS.length]), width: 1.6, points: { show: Boolean(dots), size: 4, fill: color(COLORS[index % COLORS.length]) },
        dash: index >= COLORS.length ? [4, 3] : undefined,
        value: (_, value) => (value === null || value === undefined ? "–" : unitOf(unit).write(value)),
      })),
    ],
    hooks: select && {
      setSelect: [(plot) => {
        const { left, width } = plot.select;
        if (width < 4) return;
        const [from, to] = [left, left + width].map((at) => Math.round(plot.posToVal(at, "x") * 1000));
        plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        select(from, to);
      }],
    },
  };
  element.style.color = "";
  return made;
}

// `lines` are { label, unit, dots }, `columns` what uPlot wants: times in seconds, oldest first, then the values of each line.
// `select(from_ms, to_ms)` is told of a range that was drawn with the mouse.
export function Chart({ label, lines, columns, height = 240, range, select }) {
  const place = useRef(null);
  const plot = useRef(null);
  const shown = useRef(null);
  shown.current = { columns, range, select };
  const [theme, setTheme] = useState(0);

  useEffect(() => {
    const changed = () => setTheme((before) => before + 1);
    DARK.addEventListener("change", changed);
    addEventListener("headwater:theme", changed);
    return () => {
      DARK.removeEventListener("change", changed);
      removeEventListener("headwater:theme", changed);
    };
  }, []);

  const shape = JSON.stringify(lines);
  useEffect(() => {
    const element = place.current;
    const chosen = select && ((...times) => shown.current.select(...times));
    plot.current = new uPlot(options(element, { lines, height, select: chosen }), shown.current.columns, element);
    show(plot.current, shown.current);
    const observer = new ResizeObserver(() => plot.current.setSize({ width: element.clientWidth, height }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.current.destroy();
    };
  }, [theme, shape]);

  useEffect(() => show(plot.current, shown.current), [columns, range?.[0], range?.[1]]);

  return html`<div class="chart" style=${{ minHeight: `${height + 34}px` }} ref=${place} role="img" aria-label=${label}></div>`;
}

function show(plot, { columns, range }) {
  plot.setData(columns, !range);
  if (range) plot.setScale("x", { min: range[0] / 1000, max: range[1] / 1000 });
}
