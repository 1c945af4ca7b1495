// Duration and size of the completed checkpoints over time.
import { html, useEffect, useRef, useState } from "./html.js";
import * as format from "./format.js";
import uPlot from "./vendor/uplot.js";

const HEIGHT = 300;
// Steps of the axis that read well in KiB and MiB.
const POWERS_OF_TWO = Array.from({ length: 50 }, (_, exponent) => 2 ** exponent);
const DARK = matchMedia("(prefers-color-scheme: dark)");

// uPlot wants columns, oldest first, times in seconds.
function columns(checkpoints) {
  const oldestFirst = [...checkpoints].reverse();
  return [
    oldestFirst.map((checkpoint) => checkpoint.triggered_at_ms / 1000),
    oldestFirst.map((checkpoint) => checkpoint.duration_us),
    oldestFirst.map((checkpoint) => checkpoint.state_bytes),
  ];
}

function options(element) {
  const style = getComputedStyle(element);
  const color = (name) => style.getPropertyValue(name).trim();
  const axis = { stroke: color("--text-dim"), grid: { stroke: color("--line-soft"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
  const line = (label, scale, name, write) => ({
    label, scale, stroke: color(name), width: 1.75, points: { size: 4, fill: color(name) },
    value: (_, value) => (value === null || value === undefined ? "–" : write(value)),
  });
  return {
    width: element.clientWidth,
    height: HEIGHT,
    cursor: { points: { size: 7 } },
    scales: { us: { range: (_, low, high) => [0, (high ?? 1) * 1.15] }, bytes: { range: (_, low, high) => [0, (high ?? 1) * 1.15] } },
    axes: [
      { ...axis, space: 70, values: (_, seconds) => seconds.map((second) => format.clock(second * 1000)) },
      { ...axis, scale: "us", size: 64, values: (_, values) => values.map(format.micros) },
      { ...axis, scale: "bytes", side: 1, incrs: POWERS_OF_TWO, size: 72, grid: { show: false }, values: (_, values) => values.map(format.bytes) },
    ],
    series: [
      { label: "Triggered", value: (_, second) => (second === null ? "–" : format.clock(second * 1000)) },
      line("Duration", "us", "--accent", format.micros),
      line("State size", "bytes", "--violet", format.bytes),
    ],
  };
}

export function Chart({ checkpoints }) {
  const place = useRef(null);
  const plot = useRef(null);
  const [isDark, setDark] = useState(DARK.matches);

  useEffect(() => {
    const changed = () => setDark(DARK.matches);
    DARK.addEventListener("change", changed);
    return () => DARK.removeEventListener("change", changed);
  }, []);

  useEffect(() => {
    const element = place.current;
    plot.current = new uPlot(options(element), columns(checkpoints), element);
    const observer = new ResizeObserver(() => plot.current.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.current.destroy();
    };
  }, [isDark]);

  const newest = checkpoints[0]?.id;
  useEffect(() => plot.current.setData(columns(checkpoints)), [newest, checkpoints.length]);

  return html`<div class="chart" ref=${place} role="img" aria-label="Duration and size of the completed checkpoints; the table has the numbers"></div>`;
}
