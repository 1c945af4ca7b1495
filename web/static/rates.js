// Rates and shares of the last few seconds, from the running totals that the server sends.

const WINDOW_MS = 3000;

// Remembers totals by attempt: a new attempt counts from 0 again.
export class RateMeter {
  #samples = new Map();

  // Takes a job's details; returns { [subtask id]: { recordsIn, recordsOut, busy, backpressured } }, per second or as shares.
  observe(job) {
    const kept = new Map();
    const rates = {};
    for (const subtask of job.vertices.flatMap((vertex) => vertex.subtasks)) {
      const key = `${subtask.id}#${subtask.attempt}`;
      const samples = [...(this.#samples.get(key) ?? [])];
      const { records_in, records_out, busy_us, backpressured_us } = subtask;
      if (samples.at(-1)?.now_ms !== job.now_ms) samples.push({ now_ms: job.now_ms, records_in, records_out, busy_us, backpressured_us });
      while (samples.length > 2 && job.now_ms - samples[0].now_ms > WINDOW_MS) samples.shift();
      kept.set(key, samples);
      rates[subtask.id] = rateOf(samples, subtask);
    }
    this.#samples = kept;
    return rates;
  }
}

function rateOf(samples, subtask) {
  const [first, last] = [samples[0], samples.at(-1)];
  const elapsedMs = last.now_ms - first.now_ms;
  if (subtask.state !== "RUNNING") return { recordsIn: 0, recordsOut: 0, busy: null, backpressured: null };
  if (elapsedMs < 150) {
    return { recordsIn: null, recordsOut: null, busy: subtask.busy_share, backpressured: subtask.backpressured_share };
  }
  const perSecond = (field) => (Math.max(0, last[field] - first[field]) * 1000) / elapsedMs;
  const share = (field) => Math.min(1, perSecond(field) / 1e6);
  return {
    recordsIn: perSecond("records_in"),
    recordsOut: perSecond("records_out"),
    busy: share("busy_us"),
    backpressured: share("backpressured_us"),
  };
}

// A vertex's rates: records add up, and the busiest subtask stands for how busy it is.
export function vertexRates(vertex, rates) {
  const known = vertex.subtasks.map((subtask) => rates[subtask.id]).filter(Boolean);
  const sum = (field) => {
    const values = known.map((rate) => rate[field]).filter((value) => value !== null);
    return values.length ? values.reduce((total, value) => total + value, 0) : null;
  };
  const most = (field) => {
    const values = known.map((rate) => rate[field]).filter((value) => value !== null);
    return values.length ? Math.max(...values) : null;
  };
  return {
    recordsIn: sum("recordsIn"),
    recordsOut: sum("recordsOut"),
    busy: most("busy"),
    backpressured: most("backpressured"),
  };
}

// A total over a vertex's subtasks; null if none of them has it.
export function sumOf(vertex, field) {
  const values = vertex.subtasks.map((subtask) => subtask[field]).filter((value) => value !== null && value !== undefined);
  return values.length ? values.reduce((total, value) => total + value, 0) : null;
}

// The vertex's watermark is its slowest subtask's.
export function vertexWatermark(vertex) {
  const known = vertex.subtasks.map((subtask) => subtask.watermark_ms);
  return known.length === 0 || known.includes(null) ? null : Math.min(...known);
}
