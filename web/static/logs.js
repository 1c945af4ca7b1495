// Lines of the log: the newest, and those that come.
import { html, useEffect, useLayoutEffect, useRef, useState } from "./html.js";
import * as format from "./format.js";
import { isMissing, search, get } from "./rest.js";
import { Empty, Heading, Panel, ProblemNote } from "./parts.js";
import { useTitle } from "./route.js";

const POLL_MS = 1000;
const LINES_MAX = 500;
const LEVELS = ["error", "warn", "info", "debug", "trace"];
const TONES = { error: "bad", warn: "warn", info: "done" };

export function LogsPage({ session, frame: Frame }) {
  const [connection, setConnection] = useState("connecting");
  useTitle("Logs");
  return html`<${Frame} connection=${connection} session=${session}>
    <${Heading} title="Logs" />
    <${LogPanel} onConnection=${setConnection} />
  <//>`;
}

// The log of the server, or of one job.
export function LogPanel({ job, onConnection }) {
  const [level, setLevel] = useState("info");
  const [text, setText] = useState("");
  const [isFollowing, setFollowing] = useState(true);
  const { lines, problem, isKnown } = useLines(level, job, isFollowing, onConnection);
  const wanted = text.toLowerCase();
  const shown = lines.filter((line) => !wanted || `${line.message} ${line.target} ${JSON.stringify(line.fields ?? "")}`.toLowerCase().includes(wanted));
  const place = useRef(null);
  const isAtEnd = useRef(true);
  // The newest line is in view, unless the reader has scrolled up.
  useLayoutEffect(() => {
    if (isAtEnd.current) place.current.scrollTop = place.current.scrollHeight;
  }, [lines, text]);
  const scrolled = ({ target }) => {
    isAtEnd.current = target.scrollHeight - target.scrollTop - target.clientHeight < 24;
  };
  return html`<div class="filters">
      <label class="inline">level <select value=${level} onChange=${(event) => setLevel(event.target.value)}>
        ${LEVELS.map((each) => html`<option key=${each} value=${each}>${each.toUpperCase()}</option>`)}
      </select></label>
      <label class="inline">text <input type="search" value=${text} onInput=${(event) => setText(event.target.value)} placeholder="part of a line" /></label>
      <label class="inline"><input type="checkbox" checked=${isFollowing} onChange=${(event) => setFollowing(event.target.checked)} />follow</label>
    </div>
    ${problem && html`<${ProblemNote} problem=${problem} />`}
    <${Panel} title=${job ? "Log of this job" : "Log"} id="log" flush aside=${`${shown.length} ${shown.length === 1 ? "line" : "lines"}, ${isFollowing ? "following" : "not following"}`}>
      <div class="log mono" ref=${place} onScroll=${scrolled} role="log" aria-live="off" aria-label="Log lines" tabindex="0">
        ${shown.length === 0 && html`<${Empty}>${isKnown ? "No line is like that." : "Loading…"}<//>`}
        ${shown.map((line) => html`<${Line} key=${line.seq} line=${line} hasJob=${!job} />`)}
      </div>
    <//>`;
}

function Line({ line, hasJob }) {
  const fields = Object.entries(line.fields ?? {});
  return html`<div class="log-line">
    <time class="dim" datetime=${new Date(line.at_ms).toISOString()} title=${format.time(line.at_ms)}>${format.clockMs(line.at_ms)}</time>
    <span class=${`log-level tone-${TONES[line.level] ?? "quiet"} plain`}>${line.level.toUpperCase()}</span>
    <span class="log-text">
      <span class="dim">${line.target}</span> ${line.message}
      ${fields.map(([key, value]) => html` <span key=${key} class="dim">${key}=</span>${typeof value === "string" ? value : JSON.stringify(value)}`)}
      ${hasJob && line.job && html` <a href=${`/jobs/${line.job}/logs`} title=${`job ${line.job}`}>${line.job.slice(0, 8)}</a>`}
    </span>
  </div>`;
}

function useLines(level, job, isFollowing, onConnection = () => {}) {
  const [state, setState] = useState({ lines: [], problem: null, isKnown: false });
  const following = useRef(isFollowing);
  following.current = isFollowing;
  useEffect(() => {
    let stopped = false;
    let timer;
    let after = null;
    setState({ lines: [], problem: null, isKnown: false });
    const once = async () => {
      if (after === null || (following.current && !document.hidden)) {
        try {
          const { lines, next } = await get(`/logs${search({ level, job, limit: LINES_MAX, after })}`);
          if (stopped) return;
          if (lines.length || after === null) {
            const isFirst = after === null;
            setState((before) => ({ lines: [...(isFirst ? [] : before.lines), ...lines].slice(-LINES_MAX), problem: null, isKnown: true }));
          }
          after = next ?? lines.at(-1)?.seq ?? after;
          onConnection("live");
        } catch (problem) {
          if (stopped) return;
          setState((before) => ({ ...before, problem, isKnown: true }));
          onConnection(problem.status === 0 ? "retrying" : "gone");
          if (isMissing(problem)) return;
          // Another process may number its lines anew.
          if (problem.status === 0) after = null;
        }
      }
      timer = setTimeout(once, POLL_MS);
    };
    once();
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }, [level, job]);
  return state;
}
