// What the stand-in for the server shows: jobs of all kinds, well and unwell, small and large, with names of all kinds.

const HOUR_MS = 3_600_000;

export const EVIL_NAME = `<img src=x onerror="document.body.dataset.injected='yes'">`;
export const LONG_NAME = `orders.enriched.${"with-customers-and-their-addresses.".repeat(6)}v2`;

const id = (number) => number.toString(16).padStart(32, "0");

export const IDS = { slow: id(0xa1), big: id(0xb2), evil: id(0xc3), long: id(0xd4), finished: id(0xe5), failed: id(0xf6) };

const subtask = (vertex, index, kind, now) => {
  const [busy, held] = { source: [0.18, 0.62], operator: [0.97, 0], sink: [0.12, 0] }[kind];
  const total = 48_210_334 / (1 + Number(vertex.slice(1)));
  return {
    id: `${vertex}-${index}`, index, attempt: 2, state: "RUNNING", slot: index % 4,
    records_in: Math.round(total) + index * 1_913, records_out: Math.round(total / 2), bytes_in: Math.round(total * 41), bytes_out: Math.round(total * 20),
    batches_in: 41_000, batches_out: 39_000, running_us: 6e8, late_records: index * 3, malformed_records: kind === "source" ? index * 2 : 0, watermark_ms: now - 1_200,
    busy_us: busy * 6e8, backpressured_us: held * 6e8, idle_us: Math.round((1 - busy - held) * 6e8), busy_share: busy, backpressured_share: held, idle_share: 1 - busy - held,
    first_record_at_ms: now - 600_000, connection_restarts: 0, queued_records: kind === "operator" ? 8_192 : 0, state_bytes: kind === "operator" ? 25_100_000 : 0,
    pending_records: kind === "source" ? 1_203_331 : null, blocked_on: kind === "source" ? ["v1-0"] : [], next_timer_ms: kind === "operator" ? now + 3_800 : null,
    state_entries: kind === "operator" ? 10_204 : null, activity: kind === "source" ? "waiting-for-room" : "processing", activity_since_ms: now - 40,
    current_input_watermarks: kind === "source" ? [] : [0, 1].map((from) => ({ from: `v0-${from}`, watermark_ms: now - 1_200 - from * 45_000, is_idle: false, since_ms: now - 45_000 * from, queued_records: 4_096 })),
  };
};

const vertex = (number, name, kind, parallelism, now) => ({
  id: `v${number}`, uid: `uid-${number}`, name, kind, parallelism,
  subtasks: Array.from({ length: parallelism }, (_, index) => subtask(`v${number}`, index, kind, now)),
});

function job(id, name, vertices, edges, now, change = {}) {
  const subtasks = vertices.flatMap((each) => each.subtasks.map((task) => ({ ...task, kind: each.kind, name: `${each.name} (${task.index + 1}/${each.parallelism})` })));
  return {
    id, name, program: "socket_window_word_count", state: "RUNNING", submitted_at_ms: now - 754_014, started_at_ms: now - 754_000, ended_at_ms: null,
    duration_ms: 754_000, restarts: 2, tasks: { RUNNING: subtasks.length }, failure: null, now_ms: now,
    args: { host: "localhost", port: 9000, password: "******" },
    options: { "parallelism.default": "2", "execution.checkpointing.interval": "1 s", "state.backend.type": "rocksdb", "restart-strategy.type": "exponential-delay", "pipeline.max-parallelism": "128" },
    vertices, edges,
    actors: [
      { id: "job-master", parent: null, kind: "job-master", name: "Job master", state: "RUNNING", restarts: 0, last_failure: null },
      { id: "checkpoint-coordinator", parent: "job-master", kind: "checkpoint-coordinator", name: "Checkpoint coordinator", state: "RUNNING", restarts: 1, last_failure: "killed on purpose" },
      ...subtasks.map((task, index) => ({
        id: task.id, parent: "job-master", kind: task.kind, name: task.name, state: task.state, restarts: index === 3 ? 2 : 0,
        last_failure: index === 3 ? "panicked: index out of bounds: the len is 3 but the index is 7" : null,
      })),
    ],
    last_completed_checkpoint: 40,
    ...change,
  };
}

function wordCount(id, name, now, change) {
  const vertices = [
    vertex(0, "socket source -> flat map -> assign timestamps", "source", 2, now),
    vertex(1, "window count", "operator", 2, now),
    vertex(2, "print sink", "sink", 2, now),
  ];
  const edges = [{ from: "v0", to: "v1", partitioning: "HASH" }, { from: "v1", to: "v2", partitioning: "FORWARD" }];
  return job(id, name, vertices, edges, now, change);
}

// Two hundred vertices: twenty pipelines of ten that feed each other here and there.
function big(now) {
  const vertices = [];
  const edges = [];
  for (let number = 0; number < 200; number += 1) {
    const column = number % 10;
    vertices.push(vertex(number, `stage ${column} of pipeline ${Math.floor(number / 10)}`, column === 0 ? "source" : column === 9 ? "sink" : "operator", 4, now));
    if (column > 0) edges.push({ from: `v${number - 1}`, to: `v${number}`, partitioning: column % 3 === 0 ? "HASH" : "FORWARD" });
    if (column > 2 && number % 7 === 0 && number < 190) edges.push({ from: `v${number - 1}`, to: `v${number + 10}`, partitioning: "REBALANCE" });
  }
  return job(IDS.big, "Two hundred vertices", vertices, edges, now);
}

export function jobs(now) {
  const ended = (state, ago, took, failure) => ({
    state, submitted_at_ms: now - ago, started_at_ms: now - ago + 14, ended_at_ms: now - ago + took, duration_ms: took, failure,
    tasks: failure ? { CANCELED: 5, FAILED: 1 } : { [state]: 6 },
  });
  const all = [
    wordCount(IDS.slow, "Word count over a socket", now),
    big(now),
    wordCount(IDS.evil, EVIL_NAME, now, { restarts: 0 }),
    wordCount(IDS.long, LONG_NAME, now, { state: "RESTARTING", restarts: 1412, tasks: { CANCELED: 4, DEPLOYING: 2 } }),
    wordCount(IDS.finished, "Nightly totals", now, { ...ended("FINISHED", 2 * HOUR_MS, 93_400, null), restarts: 0 }),
    wordCount(IDS.failed, "Clicks by region", now, ended("FAILED", 3 * HOUR_MS, 1_204_000, "sink failed: cannot write `/data/out`: no space left on device")),
  ];
  for (let number = 0; number < 70; number += 1) {
    all.push(wordCount(id(0x1000 + number), `Backfill of day ${String(70 - number).padStart(2, "0")}`, now, { ...ended("FINISHED", (4 + number) * HOUR_MS, 612_000 + number * 977, null), restarts: 0 }));
  }
  for (const one of all.filter((each) => each.ended_at_ms)) {
    for (const task of one.vertices.flatMap((each) => each.subtasks)) Object.assign(task, { state: "FINISHED", watermark_ms: 9223372036854775807, busy_share: null, backpressured_share: null });
  }
  return all;
}

export function summary(job) {
  const fields = ["id", "name", "program", "state", "submitted_at_ms", "started_at_ms", "ended_at_ms", "duration_ms", "restarts", "tasks", "failure"];
  return Object.fromEntries(fields.map((field) => [field, job[field]]));
}

export function checkpoint(id, triggeredAtMs) {
  const wave = (id * 7919) % 13;
  const isBad = id === 31;
  return {
    id, status: isBad ? "FAILED" : "COMPLETED", failure: isBad ? "a task failed" : null, triggered_at_ms: triggeredAtMs, duration_us: 9_000 + wave * 1_300,
    acknowledged: isBad ? 4 : 6, expected: 6, state_bytes: 48_000_000 + id * 310_000, new_bytes: 400_000 + wave * 90_000,
    sync_us_max: 1_100 + wave * 90, async_us_max: 7_000 + wave * 900, alignment_us_max: 300 + wave * 40, is_final: false,
  };
}

export const checkpointSubtasks = (job, triggeredAtMs) =>
  job.vertices.flatMap((each) => each.subtasks).map((task, index) => ({
    id: task.id, attempt: 2, acknowledged_at_ms: index === 3 ? null : triggeredAtMs + 4 + index * 3, sync_us: 900 + index * 30, async_us: 3_000 + index * 410, alignment_us: 120 + index * 55,
    state_bytes: 8_000_000, new_bytes: 61_000,
  }));

const failure = (atMs, actor, kind, message, { detected_after_us = null, ...recovery }) => ({
  at_ms: atMs, detected_after_us, actor, actor_name: actor.startsWith("v") ? `subtask ${actor}` : "Checkpoint coordinator", attempt: actor.startsWith("v") ? 1 : null, kind, message,
  recovery: { restored_checkpoint: 30, tasks_restarted: 6, tasks: ["v0-0", "v0-1", "v1-0", "v1-1", "v2-0", "v2-1"], records_replayed: null, caught_up_after_us: null, running_after_us: 18_400, first_record_after_us: 23_900, ...recovery },
});

export const exceptions = (now) => [
  failure(now - 61_000, "v1-1", "panic", "index out of bounds: the len is 3 but the index is 7", { detected_after_us: 600, records_replayed: 12_410, caught_up_after_us: 71_000 }),
  failure(now - 300_990, "v2-0", "error", "the channel to `v1-0` was closed", { detected_after_us: 1_900, running_after_us: 8_400 }),
  failure(now - 301_000, "v0-0", "error", "connection to `localhost:9000` was reset by the peer", { detected_after_us: 2_100, running_after_us: 26_000, first_record_after_us: 41_000, records_replayed: 0, caught_up_after_us: 48_000 }),
  failure(now - 700_000, "checkpoint-coordinator", "kill", "killed on purpose", { restored_checkpoint: null, tasks_restarted: 0, running_after_us: 900, first_record_after_us: null }),
];

export function why(job, now) {
  const { summary, findings } = diagnosis(job, now);
  return { job: job.id, now_ms: now, summary, findings: findings.map((finding) => ({ ...finding, others: [], checkpoint: null, numbers: {} })) };
}

export const CRASH_CAUSE = "cannot read line 1304 of `/data/orders.csv`: expected a number, found `n/a`; set `source.malformed-records` to `skip` or `dead-letter`";
const CHAIN = `TableSourceScan(table=[orders], fields=[${"a_rather_long_name, ".repeat(12)}at]) -> WatermarkAssigner(rowtime=[at]) -> Calc(select=[at])`;
const crashLoop = `the job fails over and again: 50 failures of the same cause within 2 min: v0-1 (${CHAIN}): error: ${CRASH_CAUSE}`;

const diagnosis = (job, now) =>
  job.id === IDS.long
    ? { summary: crashLoop, findings: [{ kind: "crash-loop", severity: "critical", sentence: crashLoop, advice: "a restart does not mend this: look at the record that is named", vertex: "v0", subtask: "v0-1", since_ms: now - 120_000 }] }
    : job.id === IDS.evil
    ? {
        summary: "The job is well: it takes 48,210 records a second and is 1.2 s behind.",
        findings: [{ kind: "healthy", severity: "info", sentence: "The job is well: it takes 48,210 records a second and is 1.2 s behind.", advice: null, vertex: null, subtask: null, since_ms: null }],
      }
    : {
        summary: "v1-0 (window count) is the bottleneck: it was busy 97 % of the last minute, and v0 waits for room in its input 62 % of the time.",
        findings: [
          { kind: "bottleneck", severity: "warning", sentence: "v1-0 (window count) is the bottleneck: it was busy 97 % of the last minute, and v0 waits for room in its input 62 % of the time.", advice: "It is firing windows. Raise the parallelism of the vertex, or see whether one key has most of the records", vertex: "v1", subtask: "v1-0", since_ms: now - 312_000 },
          { kind: "watermark-held", severity: "warning", sentence: "Partition 3 of v0-1 holds the watermark back.", advice: "Set table.exec.source.idle-timeout, so that a silent partition is passed over", vertex: "v0", subtask: "v0-1", since_ms: now - 45_000 },
          { kind: "next-window", severity: "info", sentence: "The next window of v1 ends in 3.8 s of event time.", advice: null, vertex: "v1", subtask: null, since_ms: null },
        ],
      };

export function metrics(query, now) {
  const [from, to, points] = ["from_ms", "to_ms", "points"].map((name) => Number(query.get(name) ?? 0));
  const step = Math.max(1000, (to - from) / Math.max(1, points));
  const times = Array.from({ length: points }, (_, index) => Math.round(from + index * step)).filter((time) => time <= now);
  const series = (name, unit, vertex, level, spread) => ({
    name, unit, vertex, fold: "mean",
    // A gap, as after a restart of the process.
    values: times.map((time) => [time, Math.floor(time / 60_000) % 11 === 0 ? null : Math.max(0, level + spread * Math.sin(time / 47_000 + level))]),
  });
  const all = [
    series("records_in_per_second", "records/s", "v1", 48_000, 6_000), series("records_in_per_second", "records/s", "v2", 9_000, 900),
    series("records_out_per_second", "records/s", "v0", 48_000, 6_000), series("records_out_per_second", "records/s", "v1", 9_000, 900),
    series("busy_max", "share", "v0", 0.18, 0.05), series("busy_max", "share", "v1", 0.9, 0.08), series("busy_max", "share", "v2", 0.12, 0.04),
    series("backpressured_max", "share", "v0", 0.6, 0.1), series("watermark_lag_ms", "ms", null, 1_400, 700), series("checkpoint_duration_ms", "ms", null, 14, 4), series("state_bytes", "bytes", null, 52_000_000, 4_000_000),
  ].filter((each) => !query.get("vertex") || each.vertex === query.get("vertex"));
  return { from_ms: from, to_ms: to, step_ms: step, series: all };
}

export function clusterMetrics(query, now) {
  const { series, ...rest } = metrics(query, now);
  const like = (name, unit, scale) => ({ ...series[0], name, unit, vertex: null, values: series[0].values.map(([time, value]) => [time, value === null ? null : value * scale]) });
  return { ...rest, series: [like("cpu_cores", "cores", 1 / 60_000), like("memory_bytes", "bytes", 3_000), like("jobs_running", "count", 4 / 48_000)] };
}

export const PROGRAMS = [
  {
    name: "socket_window_word_count", description: "counts the words that come over a socket, in windows",
    args: [
      { name: "host", kind: "text", help: "the host to read lines from", default: "localhost", required: false },
      { name: "port", kind: "integer", help: "its port", default: null, required: true },
      { name: "window-ms", kind: "integer", help: "the length of a window", default: "5000", required: false },
      { name: "output", kind: "path", help: "the folder that counts are written to", default: null, required: false },
      { name: "journal", kind: "flag", help: "keep what was read until it is committed", default: "true", required: false },
    ],
  },
  { name: "generator", description: "generates records and counts them", args: [{ name: "rate", kind: "float", help: "records per second", default: "1000", required: false }] },
];

export const CONFIG = [
  ["rest.port", 8081, "flag --port", 8081, "Where REST and the page are served."],
  ["rest.bind-address", "127.0.0.1", "default", "127.0.0.1", "The address that is listened on."],
  ["taskmanager.numberOfTaskSlots", 4, "headwater.toml:3", 2, "Slots for tasks."],
  ["security.tokens-file", null, "default", null, "Tokens and their roles."],
  ["log.level", "info", "HEADWATER_LOG_LEVEL", "info", "The least level that is logged."],
  ["execution.checkpointing.interval", "1 s", "default", "1 s", "How often jobs make checkpoints unless they say otherwise."],
].map(([key, value, origin, byDefault, description]) => ({ key, type: "text", value: String(value ?? ""), origin, default: String(byDefault ?? ""), description }));

export function logLine(seq, now) {
  const [level, target, message] = [
    ["info", "headwater_coordinator::checkpoint", "checkpoint completed"],
    ["debug", "headwater_actors::task", "task deployed"],
    ["warn", "headwater_connectors::socket", "connection lost, connecting again to <b>localhost</b>"],
    ["info", "headwater_coordinator::job", "job is running"],
    ["error", "headwater_coordinator::failover", "a task died: index out of bounds: the len is 3 but the index is 7"],
  ][seq % 5];
  return { seq, at_ms: now - (400 - seq) * 317, level, target, message, fields: { checkpoint: seq, attempt: 2 }, job: seq % 2 ? IDS.slow : null };
}

export const STATES = {
  checkpoint: 40,
  checkpoints: [{ id: 40, triggered_at_ms: 0 }, { id: 39, triggered_at_ms: 0 }],
  vertices: [
    {
      vertex: "v1", name: "window count", keyed_bytes: 24_800_000,
      states: [{ name: "window-contents", kind: "window", key_type: "String", value_type: "u64", note: null }, { name: "timers", kind: "timers", key_type: "String", value_type: null, note: null }],
    },
  ],
};

export const entry = (number) => ({ key: `word-${number}`, namespace: "[12:03:05, 12:03:10)", value: { count: number * 17, text: "<i>river</i>" }, key_group: (number * 37) % 128, subtask: number % 2, note: number === 3 ? "cut after 1,024 bytes" : null });

export const events = (id, now) => [
  { id: 4, at_ms: now - 61_000, kind: "restarted", message: "6 tasks restarted from checkpoint 30", by: null, actor: "v1-1", checkpoint: 30, state: null },
  { id: 3, at_ms: now - 61_000, kind: "failed", message: "v1-1 died: index out of bounds: the len is 3 but the index is 7", by: null, actor: "v1-1", checkpoint: null, state: null },
  { id: 2, at_ms: now - 90_000, kind: "checkpoint-triggered", message: "checkpoint 29 was triggered by hand", by: "token ops, 127.0.0.1", actor: null, checkpoint: 29, state: null },
  { id: 1, at_ms: now - 754_000, kind: "submitted", message: "the job was submitted", by: "127.0.0.1", actor: null, checkpoint: null, state: "CREATED" },
].map((event) => ({ ...event, job: id }));

export const audit = (now) => [
  { seq: 2, at_ms: now - 90_000, who: "ops", peer: "127.0.0.1", action: `POST /api/v1/jobs/${IDS.slow}/checkpoints`, status: 202, outcome: "done" },
  { seq: 1, at_ms: now - 95_000, who: null, peer: "10.0.0.9", action: "POST /api/v1/jobs", status: 401, outcome: "denied" },
];
