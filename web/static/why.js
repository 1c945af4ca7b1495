// What holds a job back, said by the server in plain sentences.
import { html } from "./html.js";
import * as format from "./format.js";
import { usePolled } from "./live.js";
import { jobPath } from "./rest.js";

const POLL_MS = 2000;
const LINE_POLL_MS = 5000;
// What a severity looks like: a sign, so that it is not told by colour alone, and a tone.
const SEVERITIES = {
  ok: ["✓", "good"],
  info: ["i", "done"],
  warning: ["!", "warn"],
  critical: ["✕", "bad"],
  error: ["✕", "bad"],
};

const look = (severity) => SEVERITIES[severity?.toLowerCase()] ?? SEVERITIES.info;

const Sign = ({ severity }) => html`<span class=${`sign tone-${look(severity)[1]}`} role="img" aria-label=${severity}>${look(severity)[0]}</span>`;

export const useWhy = (id) => usePolled(`${jobPath(id)}/why`, POLL_MS);

// The findings come with the most pressing first; one that is only told for information says that all is well.
const worst = ({ findings }) => ((findings[0]?.severity ?? "info") === "info" ? "ok" : findings[0].severity);

// The sentence at the top of a job's page, and what else was found. Only another kind of finding is news to those who listen: the
// sentence has numbers, which change all the time.
export function Why({ why, nowMs, select }) {
  if (why.isMissing) return null;
  const { data } = why;
  if (!data) return html`<section class="why" aria-busy="true" aria-label="Why"><p class="dim">Looking at what holds the job back…</p></section>`;
  const [first, ...rest] = data.findings;
  return html`<section class=${`why edge-${look(worst(data))[1]}`} aria-label="Why">
    <p class="why-summary"><${Sign} severity=${worst(data)} /><span class="lines" title=${data.summary}>${data.summary}</span></p>
    <span class="visually-hidden" role="status">${first?.kind.replaceAll("-", " ")}</span>
    ${first && html`<${Finding} finding=${first} nowMs=${nowMs} select=${select} hasSentence=${first.sentence !== data.summary} />`}
    ${rest.length > 0 &&
    html`<details><summary>${rest.length} more ${rest.length === 1 ? "finding" : "findings"}</summary>
      <ul>${rest.map((finding, index) => html`<li key=${index}><${Finding} finding=${finding} nowMs=${nowMs} select=${select} hasSentence /></li>`)}</ul>
    </details>`}
  </section>`;
}

function Finding({ finding, nowMs, select, hasSentence }) {
  const { sentence, advice, severity, since_ms: since, vertex, subtask } = finding;
  return html`<div class="finding">
    ${hasSentence && html`<p class="lines" title=${sentence}><${Sign} severity=${severity} />${sentence}</p>`}
    <p class="dim small">
      ${advice && html`<span>${advice}</span> `}
      ${since && nowMs > since && html`<span class="nowrap">Since ${format.clock(since)}, for ${format.duration(nowMs - since)}.</span> `}
      ${vertex && html`<button class="link" onClick=${() => select(vertex)}>Show ${subtask ?? vertex}</button>`}
    </p>
  </div>`;
}

// One line below a job's name in a list.
export function WhyLine({ job }) {
  const { data, isMissing } = usePolled(`${jobPath(job)}/why`, LINE_POLL_MS);
  if (isMissing) return null;
  return html`<div class="why-line small">${data && html`<${Sign} severity=${worst(data)} /><span class="clip" title=${data.summary}>${data.summary}</span>`}</div>`;
}

// The vertex that a finding calls the bottleneck.
export const bottleneckOf = (why) => why.data?.findings.find((finding) => /bottleneck/i.test(finding.kind))?.vertex ?? null;
