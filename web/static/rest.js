// The REST API. A refusal is thrown as its problem: { type, title, detail, hint, status }, and for SQL { line, column }.

// More than the server itself waits for anything.
const TIMEOUT_MS = 20_000;
export const UNAUTHORIZED = "headwater:unauthorized";

export async function request(method, path, body) {
  // A connection that was cut unnoticed would let us wait for minutes.
  const options = { method, headers: { accept: "application/json" }, signal: AbortSignal.timeout(TIMEOUT_MS) };
  if (body !== undefined) {
    options.headers["content-type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(`/api/v1${path}`, options);
    if (response.ok) {
      // An answer that is cut off is none.
      const text = await response.text();
      return text ? JSON.parse(text) : {};
    }
  } catch {
    throw { status: 0, title: "Server unreachable", detail: "the server did not answer" };
  }
  throw await refusal(response);
}

// The problem that a refusal's body tells.
export async function refusal(response) {
  const problem = await response.json().catch(() => ({}));
  // A wrong token at the login is not a login that has run out.
  if (response.status === 401 && !response.url.endsWith("/login")) dispatchEvent(new Event(UNAUTHORIZED));
  return { status: response.status, title: response.statusText, detail: "", ...problem };
}

export const get = (path) => request("GET", path);

export const jobPath = (id) => `/jobs/${encodeURIComponent(id)}`;

// Whether the server has nothing of this kind at all, unlike a job that it does not know.
export const isMissing = (problem) => problem?.status === 404 && (problem.type ?? "").endsWith(":unknown-path");

// `{ a: 1, b: "" }` as `?a=1`.
export function search(parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

// Server-sent events without EventSource, which can send no body, tells nothing of a refusal and connects again by itself.
// Sends `body`, if there is one, to `path` and calls `take(name, data)` for every event, until the stream ends or `signal` aborts it.
export async function readEvents(path, body, signal, take) {
  const headers = { accept: "text/event-stream, application/problem+json" };
  if (body) headers["content-type"] = "application/json";
  const response = await fetch(`/api/v1${path}`, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), signal });
  if (!response.ok) throw await refusal(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const pieces = (rest + value).split("\n\n");
    rest = pieces.pop();
    for (const piece of pieces) {
      const name = piece.match(/^event: (.*)$/m)?.[1];
      const data = piece.match(/^data: (.*)$/m)?.[1];
      if (name && data) take(name, JSON.parse(data));
    }
  }
}
