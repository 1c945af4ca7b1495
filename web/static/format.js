// How values are written for people.

const NONE = "–";
// The watermark of an input that has ended; a JSON number of 64 bits arrives rounded.
const END_OF_INPUT_MS = 8.64e15;

export function count(value) {
  if (value === null || value === undefined) return NONE;
  if (value < 10 && !Number.isInteger(value)) return value.toFixed(1);
  if (value < 10_000) return Math.round(value).toLocaleString("en");
  const units = ["k", "M", "G", "T"];
  let scaled = value;
  let unit = -1;
  while (scaled >= 999.5 && unit < units.length - 1) {
    scaled /= 1000;
    unit += 1;
  }
  return `${scaled.toPrecision(3)} ${units[unit]}`;
}

export const exactly = (value) => (value ?? NONE).toLocaleString("en");

export const rate = (value) => (value === null || value === undefined ? NONE : `${count(value)}/s`);

export function bytes(value) {
  if (value === null || value === undefined) return NONE;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let scaled = value;
  let unit = 0;
  while (scaled >= 1024 && unit < units.length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  return unit === 0 ? `${scaled} B` : `${scaled.toFixed(scaled < 100 && !Number.isInteger(scaled) ? 1 : 0)} ${units[unit]}`;
}

export function micros(value) {
  if (value === null || value === undefined) return NONE;
  if (value === 0) return "0";
  if (value < 1000) return `${value} µs`;
  const ms = value / 1000;
  if (ms < 1000) return `${ms.toFixed(ms < 100 ? 1 : 0)} ms`;
  return duration(ms);
}

export function duration(ms) {
  if (ms === null || ms === undefined) return NONE;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.floor(seconds);
  const [days, hours, minutes] = [Math.floor(whole / 86400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60];
  const two = (number) => String(number).padStart(2, "0");
  if (days > 0) return `${days} d ${two(hours)} h`;
  if (hours > 0) return `${hours} h ${two(minutes)} min`;
  return `${minutes} min ${two(whole % 60)} s`;
}

export function time(ms) {
  if (ms === null || ms === undefined) return NONE;
  const date = new Date(ms);
  const pad = (number, width = 2) => String(number).padStart(width, "0");
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  return `${day} ${clock(ms)}`;
}

export function clock(ms) {
  const date = new Date(ms);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}

export const clockMs = (ms) => `${clock(ms)}.${String(new Date(ms).getMilliseconds()).padStart(3, "0")}`;

export const bytesRate = (value) => (value === null || value === undefined ? NONE : `${bytes(Math.round(value))}/s`);

// A watermark: its time, and how far it is behind the server's clock.
export function watermark(ms, nowMs) {
  if (ms === null || ms === undefined) return { text: NONE, title: "no watermark yet" };
  if (ms >= END_OF_INPUT_MS) return { text: "end of input", title: "no record can come any more" };
  if (Math.abs(ms) > END_OF_INPUT_MS) return { text: NONE, title: String(ms) };
  const lag = nowMs - ms;
  const isRecent = lag >= 0 && lag < 86_400_000;
  return { text: isRecent ? `${clock(ms)} (−${duration(lag)})` : time(ms), title: time(ms) };
}

// An option's value, which the server tells in milliseconds or bytes.
export function option(text) {
  const [, value, unit] = String(text).match(/^(\d+) (ms|bytes)$/) ?? [];
  if (!unit) return String(text);
  return unit === "ms" ? duration(Number(value)) : bytes(Number(value));
}

const NAME_MAX = 40;

// A sentence that names subtasks, `v0-1 (TableSourceScan(…) -> …)`, with as much of each name as tells them apart.
export function shortNames(sentence) {
  const [, before, name] = sentence.match(/^(.*?\bv\d+-\d+ \()(.*)$/s) ?? [];
  if (!before) return sentence;
  let depth = 1;
  const end = [...name].findIndex((each) => (depth += Number(each === "(") - Number(each === ")")) === 0);
  if (end < 0) return sentence;
  return `${before}${end > NAME_MAX ? `${name.slice(0, NAME_MAX)}…` : name.slice(0, end)}${shortNames(name.slice(end))}`;
}

export const percent = (share) => (share === null || share === undefined ? NONE : `${Math.round(share * 100)} %`);
