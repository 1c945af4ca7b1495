// A stand-in for the server: the page's own files as they are, and REST with known answers, as the tests want them.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import * as data from "./data.mjs";

const WEB = new URL("../../", import.meta.url);
const TYPES = { js: "text/javascript", css: "text/css", svg: "image/svg+xml", txt: "text/plain", html: "text/html" };
const TICK_MS = 250;

// The policy that the server sends, from its source.
const policy = (await readFile(new URL("src/lib.rs", WEB), "utf8")).match(/CONTENT_SECURITY_POLICY: &str = "([^"]*)"/)[1].replace(/\\\n\s*/g, "");

const problem = (status, type, title, detail) => ({ status, body: { type: `urn:headwater:error:${type}`, title, status, detail } });

export class Fake {
  // `token` asks for a login; `without` are the parts that the server does not have; `isStill` sends nothing by itself.
  constructor({ token = null, role = "operate", without = [], isStill = false, port = 0 } = {}) {
    Object.assign(this, { token, role, without, isStill, port, sent: [], streams: new Set(), sockets: new Set(), startedAt: Date.now() - 9_400_000 });
    this.jobs = data.jobs(Date.now());
    this.exceptions = data.exceptions(Date.now());
    this.newest = 40;
  }

  async start() {
    this.server = createServer((request, response) => this.#answer(request, response).catch((error) => response.destroy(error)));
    this.server.on("connection", (socket) => {
      this.sockets.add(socket);
      socket.on("close", () => this.sockets.delete(socket));
    });
    await new Promise((resolve) => this.server.listen(this.port, "127.0.0.1", resolve));
    this.port = this.server.address().port;
    this.url = `http://127.0.0.1:${this.port}`;
    if (!this.isStill) this.timer = setInterval(() => this.advance(TICK_MS), TICK_MS);
    return this;
  }

  async stop() {
    clearInterval(this.timer);
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  // Lets the running jobs process `elapsedMs` worth of records and tells everyone.
  advance(elapsedMs) {
    const now = Date.now();
    for (const job of this.jobs.filter((each) => each.state === "RUNNING")) {
      job.now_ms = now;
      job.duration_ms = now - job.started_at_ms;
      for (const task of job.vertices.flatMap((vertex) => vertex.subtasks)) {
        task.records_in += elapsedMs * 24;
        task.records_out += elapsedMs * 21;
        task.busy_us += Math.round(elapsedMs * 1000 * task.busy_share);
        task.backpressured_us += Math.round(elapsedMs * 1000 * task.backpressured_share);
        task.watermark_ms = now - 1_200;
      }
    }
    this.newest += 1;
    for (const job of this.jobs) job.last_completed_checkpoint = this.newest;
    for (const stream of this.streams) stream();
  }

  job(id) {
    return this.jobs.find((job) => job.id === id);
  }

  #checkpoints() {
    return Array.from({ length: 40 }, (_, index) => data.checkpoint(this.newest - index, Date.now() - index * 1_000));
  }

  #overview() {
    const now = Date.now();
    const byState = {};
    for (const job of this.jobs) byState[job.state] = (byState[job.state] ?? 0) + 1;
    return {
      version: "1.2.3", commit: "0123456789abcdef", started_at_ms: this.startedAt, now_ms: now, slots_total: 4, slots_used: 2, tasks_running: 6, chaos: true,
      jobs_by_state: byState, jobs: this.jobs.map(data.summary), unreadable_jobs: [{ id: `${"0".repeat(29)}bad`, reason: "the checksum does not match" }],
    };
  }

  #event(job) {
    return { job, checkpoints: this.#checkpoints(), exceptions: job.id === data.IDS.evil ? [] : this.exceptions };
  }

  async #answer(request, response) {
    const url = new URL(request.url, "http://localhost");
    if (!url.pathname.startsWith("/api/v1")) return this.#file(url.pathname, response);
    const path = url.pathname.slice("/api/v1".length);
    let text = "";
    for await (const chunk of request) text += chunk;
    const body = text ? JSON.parse(text) : null;
    if (request.method !== "GET") this.sent.push({ method: request.method, path: path + url.search, body });
    if (this.token && !["/session", "/login"].includes(path) && !this.#isIn(request)) return json(response, problem(401, "unauthorized", "Log in first", "this server asks for a token"));
    if (this.without.some((part) => path.startsWith(part) || path.endsWith(part))) return json(response, problem(404, "unknown-path", "Unknown path", `nothing is at ${path}`));
    if (path === "/events") return this.#stream(url.searchParams.get("job"), response);
    if (path.endsWith("/tap")) return this.#tap(url.searchParams, response);
    if (path === "/login") {
      if (body.token !== this.token) return json(response, problem(401, "wrong-token", "Wrong token", "the token is not one of this server's"));
      response.setHeader("set-cookie", `headwater=${this.token}; HttpOnly; SameSite=Strict`);
    }
    return json(response, this.#rest(request, path, url.searchParams, body));
  }

  #isIn(request) {
    return (request.headers.cookie ?? "").includes(`headwater=${this.token}`);
  }

  #rest(request, path, query, body) {
    const now = Date.now();
    const { method } = request;
    const [, first, id, part, number, , index] = path.split("/");
    if (first === "session") return { body: { login_required: this.token !== null, name: this.token && this.#isIn(request) ? "ops" : null, role: this.token && !this.#isIn(request) ? null : this.role } };
    if (first === "login" || first === "logout") return { body: {} };
    if (path === "/overview") return { body: this.#overview() };
    if (path === "/programs") return { body: { programs: data.PROGRAMS } };
    if (path === "/audit") return { body: { entries: data.audit(now), next: null } };
    if (path === "/config") return { body: { entries: data.CONFIG } };
    if (path === "/slots") return { body: { slots: [0, 1, 2, 3].map((slot) => ({ slot, tasks: slot < 2 ? ["v0", "v1", "v2"].map((vertex) => ({ job: data.IDS.slow, subtask: `${vertex}-${slot}`, state: "RUNNING" })) : [] })) } };
    if (path === "/metrics/history") return { body: data.clusterMetrics(query, now) };
    if (path === "/logs") return { body: this.#logs(query) };
    if (path === "/sql/validate") {
      const line = body.sql.split("\n").findIndex((each) => each.includes("oops"));
      if (line >= 0) return { body: { valid: false, errors: [{ message: "table `oops` does not exist", line: line + 1, column: [...body.sql.split("\n")[line].split("oops")[0]].length + 1, hint: "did you mean `loops`?" }] } };
      return { body: { valid: true, statements: [{ kind: "SELECT", location: { line: 1, column: 1 }, columns: [], updating: true, plan: "== Plan ==\nCounts" }] } };
    }
    if (path === "/jobs" && method === "POST") {
      if (body.options?.["state.backend.typ"]) return problem(400, "bad-option", "Bad option", "unknown option; did you mean `state.backend.type`?");
      return { status: 201, body: { id: data.IDS.slow } };
    }
    if (path === "/jobs") return { body: this.#list(query) };
    if (first !== "jobs") return problem(404, "unknown-path", "Unknown path", `nothing is at ${path}`);
    const job = this.job(id);
    if (!job) return problem(404, "unknown-job", "Unknown job", `\`${id}\` is not a job id`);
    const answers = {
      undefined: () => (method === "GET" ? job : this.#change(method, job)),
      why: () => data.why(job, now),
      restarts: () => ({ restarts: (job.id === data.IDS.evil ? [] : this.exceptions).map((failure) => ({ ...failure, phase: failure.attempt === null ? "rebuilt" : "caught-up" })) }),
      exceptions: () => ({ exceptions: this.exceptions }),
      checkpoints: () => (method === "POST" ? { id: this.newest + 1, was_under_way: false } : number ? { ...data.checkpoint(Number(number), now - 5_000), subtasks: data.checkpointSubtasks(job, now - 5_000) } : { checkpoints: this.#checkpoints() }),
      metrics: () => data.metrics(query, now),
      events: () => ({ events: data.events(job.id, now) }),
      vertices: () => ({ ...job.vertices.find((vertex) => vertex.id === number).subtasks[index], attempts: [2, 1, 0].map((attempt) => ({ number: attempt, state: attempt === 2 ? "RUNNING" : "FAILED", deployed_at_ms: now - 900_000 + attempt * 300_000, restored_checkpoint: attempt * 15 || null, ended_at_ms: attempt === 2 ? null : now - 600_000 + attempt * 300_000, failure: attempt === 2 ? null : "connection to `localhost:9000` was reset by the peer" })) }),
      state: () => (number ? this.#entries(query) : { ...data.STATES, checkpoints: data.STATES.checkpoints.map((each) => ({ ...each, triggered_at_ms: now - (40 - each.id) * 1000 })) }),
      actors: () => this.#kill(job, number),
      restart: () => ({ id: job.id }),
    };
    return answers[part] ? { status: method === "GET" ? 200 : 202, body: answers[part]() } : problem(404, "unknown-path", "Unknown path", `nothing is at ${path}`);
  }

  #list(query) {
    const states = query.get("state")?.split(",") ?? null;
    const name = (query.get("name") ?? "").toLowerCase();
    const fitting = this.jobs.filter((job) => (!states || states.includes(job.state)) && job.name.toLowerCase().includes(name));
    const begin = query.get("after") ? fitting.findIndex((job) => job.id === query.get("after")) + 1 : 0;
    const limit = Number(query.get("limit") ?? 100);
    const shown = fitting.slice(begin, begin + limit);
    return { jobs: shown.map(data.summary), total: fitting.length, next: begin + limit < fitting.length ? shown.at(-1).id : null, unreadable_jobs: [] };
  }

  #change(method, job) {
    Object.assign(job, { state: method === "DELETE" ? "DELETED" : "CANCELED", ended_at_ms: Date.now() });
    if (method === "DELETE") this.jobs.splice(this.jobs.indexOf(job), 1);
    this.advance(0);
    return { id: job.id };
  }

  #kill(job, actor) {
    const killed = job.actors.find((each) => each.id === actor);
    killed.restarts += 1;
    killed.last_failure = "killed on purpose";
    this.advance(0);
    return { actor };
  }

  #logs(query) {
    const now = Date.now();
    const rank = ["error", "warn", "info", "debug", "trace"];
    const after = query.get("after") === null ? 100 : Number(query.get("after"));
    const newest = 400 + Math.floor((now - this.startedAt - 9_400_000) / 500);
    const lines = [];
    for (let seq = after + 1; seq <= newest; seq += 1) lines.push(data.logLine(seq, now));
    const fits = (line) => rank.indexOf(line.level) <= rank.indexOf(query.get("level") ?? "info") && (!query.get("job") || line.job === query.get("job"));
    return { lines: lines.filter(fits), next: newest };
  }

  #entries(query) {
    const key = query.get("key");
    if (key) return { checkpoint: 40, entries: key === "river" ? [data.entry(7)] : [], next: null };
    const begin = Number(query.get("after") ?? 0);
    return { checkpoint: Number(query.get("checkpoint") ?? 40), entries: Array.from({ length: 50 }, (_, place) => data.entry(begin + place)), next: begin < 100 ? String(begin + 50) : null };
  }

  #stream(id, response) {
    if (id && !this.job(id)) return json(response, problem(404, "unknown-job", "Unknown job", `\`${id}\` is not a job id`));
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    const send = () => {
      // The stream of a job that was deleted ends.
      if (id && !this.job(id)) return response.end();
      return response.write(`event: ${id ? "job" : "overview"}\ndata: ${JSON.stringify(id ? this.#event(this.job(id)) : this.#overview())}\n\n`);
    };
    response.write("retry: 500\n");
    send();
    this.streams.add(send);
    response.on("close", () => this.streams.delete(send));
    return undefined;
  }

  #tap(query, response) {
    response.writeHead(200, { "content-type": "text/event-stream" });
    let number = 0;
    const redacted = query.get("redact")?.split(",") ?? [];
    const send = () => {
      number += 1;
      const value = { word: "river", email: "a@b.c", count: number };
      for (const field of redacted) value[field] = "******";
      response.write(`event: record\ndata: ${JSON.stringify({ at_ms: Date.now(), subtask: number % 2, attempt: 2, to: "v1", note: null, timestamp_ms: Date.now() - 800, kind: "+I", value })}\n\n`);
      if (number === 30) response.end(`event: lost\ndata: {"lost":3}\n\nevent: end\ndata: {"reason":"limit","records":30,"passed":90,"lost":3}\n\n`);
    };
    const timer = setInterval(send, 50);
    response.on("close", () => clearInterval(timer));
  }

  async #file(path, response) {
    const name = path.startsWith("/static/") ? path.slice("/static/".length) : "index.html";
    const bytes = await readFile(new URL(`static/${name}`, WEB)).catch(() => null);
    if (!bytes) return response.writeHead(404).end();
    response.writeHead(200, { "content-type": TYPES[name.split(".").at(-1)], "content-security-policy": policy, "x-content-type-options": "nosniff" });
    return response.end(bytes);
  }
}

function json(response, { status = 200, body }) {
  response.writeHead(status, { "content-type": status < 400 ? "application/json" : "application/problem+json", "cache-control": "no-store" });
  response.end(JSON.stringify(body));
}

// By hand: `node fake.mjs 8099`.
if (process.argv[1] === new URL(import.meta.url).pathname) {
  const fake = await new Fake({ port: Number(process.argv[2] ?? 8099), token: process.argv[3] ?? null }).start();
  console.log(fake.url);
}
