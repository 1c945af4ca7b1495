// The REST API. A refusal is thrown as its problem: { title, detail, hint, status }.

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
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  throw { status: response.status, title: response.statusText, detail: "", ...answer };
}

export const get = (path) => request("GET", path);

export const jobPath = (id) => `/jobs/${encodeURIComponent(id)}`;
