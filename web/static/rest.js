// The REST API. A refusal is thrown as its problem: { title, detail, hint, status }, and for SQL { line, column }.

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
  return { status: response.status, title: response.statusText, detail: "", ...problem };
}

export const get = (path) => request("GET", path);

export const jobPath = (id) => `/jobs/${encodeURIComponent(id)}`;
