// The REST API. A refusal is thrown as its problem: { type, title, detail, hint, status }, and for SQL { line, column }.

export const UNAUTHORIZED = "headwater:unauthorized";

export async function request(method, path, body) {
  const options = { method, headers: { accept: "application/json" } };
  if (body !== undefined) {
    options.headers["content-type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(`/api/v1${path}`, options);
  } catch {
    throw { status: 0, title: "Server unreachable", detail: "the server did not answer" };
  }
  if (response.ok) return response.json().catch(() => ({}));
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
