// Live data: server-sent events, and polling for as long as they are cut off.
import { useEffect, useState } from "./html.js";
import { get, isMissing } from "./rest.js";

const POLL_MS = 2000;
const RECONNECT_MS = 2000;
// A stream that tells nothing for so long has nothing to tell, or is dead without anyone having noticed.
const SILENT_MS = 8000;

// Follows `path` (an event stream of events called `name`); `poll` fetches the same data once.
// Returns { data, connection: "connecting" | "live" | "retrying" | "gone", problem }.
export function useLive(path, name, poll) {
  const [state, setState] = useState({ data: null, connection: "connecting", problem: null });

  useEffect(() => {
    let stopped = false;
    let source;
    let pollTimer;
    let reconnectTimer;
    let heardAt = Date.now();
    const update = (change) => stopped || setState((before) => ({ ...before, ...change }));

    const startPolling = () => {
      if (pollTimer || stopped) return;
      const once = () =>
        poll().then(
          (data) => update({ data, problem: null, connection: "live" }),
          (problem) => {
            if (problem.status !== 404) return update(problem.status === 0 ? { problem, connection: "retrying" } : { problem });
            // The server is well and has no such thing: there is nothing to wait for.
            update({ problem, connection: "gone" });
            return stop();
          },
        );
      once();
      pollTimer = setInterval(once, POLL_MS);
    };
    const stopPolling = () => {
      clearInterval(pollTimer);
      pollTimer = undefined;
    };
    const heard = (change) => {
      heardAt = Date.now();
      stopPolling();
      update({ ...change, connection: "live", problem: null });
    };
    const watch = setInterval(() => Date.now() - heardAt > SILENT_MS && !document.hidden && startPolling(), SILENT_MS / 4);
    const connect = () => {
      source = new EventSource(path);
      source.addEventListener("open", () => heard({}));
      source.addEventListener(name, (event) => heard({ data: JSON.parse(event.data) }));
      source.addEventListener("problem", (event) => update({ problem: JSON.parse(event.data) }));
      source.addEventListener("error", () => {
        // Whether the server is gone, or only has no stream for us, an answer tells.
        startPolling();
        // The browser reconnects by itself after a cut, but not after a refusal.
        if (source.readyState === EventSource.CLOSED && !stopped) {
          clearTimeout(reconnectTimer);
          reconnectTimer = setTimeout(connect, RECONNECT_MS);
        }
      });
    };

    const stop = () => {
      stopped = true;
      source.close();
      stopPolling();
      clearInterval(watch);
      clearTimeout(reconnectTimer);
    };

    connect();
    return stop;
  }, [path]);

  return state;
}

// Fetches `path` now and every `everyMs`, unless nobody looks; nothing if `path` is null.
// Returns { data, problem, isMissing, refresh }; what was there stays while the server is away.
export function usePolled(path, everyMs) {
  const [state, setState] = useState({ path: null, data: null, problem: null });
  const [round, setRound] = useState(0);

  useEffect(() => {
    if (path === null) return undefined;
    let stopped = false;
    let timer;
    const once = async () => {
      if (!document.hidden) {
        const next = await get(path).then((data) => ({ path, data, problem: null }), (problem) => ({ problem }));
        if (stopped) return;
        setState((before) => ({ ...before, ...next }));
        if (isMissing(next.problem)) return;
      }
      if (everyMs) timer = setTimeout(once, everyMs);
    };
    once();
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }, [path, everyMs, round]);

  return { ...state, isMissing: isMissing(state.problem), refresh: () => setRound((before) => before + 1) };
}

const asked = new Map();

// Whether the server has what is at `path`; true until it is known.
export function useHas(path) {
  const [, setKnown] = useState(0);
  useEffect(() => {
    if (!asked.has(path)) {
      asked.set(path, true);
      get(path).catch((problem) => asked.set(path, !isMissing(problem))).then(() => setKnown((before) => before + 1));
    }
  }, [path]);
  return asked.get(path) ?? true;
}

// A page that only polls is as live as its last answer.
export function connectionOf(data, problem) {
  if (problem?.status === 0) return "retrying";
  return data ? "live" : "connecting";
}
