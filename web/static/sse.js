// Server-sent events without EventSource, which can send no body, tells nothing of a refusal and connects again by itself.
import { refusal } from "./rest.js";

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
