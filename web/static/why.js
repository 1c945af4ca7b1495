// What holds a job back, said by the server in plain sentences.
import { html, useEffect, useLayoutEffect, useRef, useState } from "./html.js";
import * as format from "./format.js";
import { usePolled } from "./live.js";
import { get, jobPath } from "./rest.js";

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
  const place = useRef(null);
  useLayoutEffect(() => keepHeight(place.current));
  if (why.isMissing) return null;
  const { data } = why;
  if (!data) return html`<section class="why" aria-busy="true" aria-label="Why"><p class="dim">Looking at what holds the job back…</p></section>`;
  const [first, ...rest] = data.findings;
  return html`<section class=${`why edge-${look(worst(data))[1]}`} aria-label="Why" ref=${place}>
    <p class="why-summary"><${Sign} severity=${worst(data)} /><span class="lines" title=${data.summary}>${format.shortNames(data.summary)}</span></p>
    <span class="visually-hidden" role="status">${first?.kind.replaceAll("-", " ")}</span>
    ${first && html`<${Finding} finding=${first} nowMs=${nowMs} select=${select} hasSentence=${first.sentence !== data.summary} />`}
    ${rest.length > 0 &&
    html`<details><summary>${rest.length} more ${rest.length === 1 ? "finding" : "findings"}</summary>
      <ul>${rest.map((finding, index) => html`<li key=${index}><${Finding} finding=${finding} nowMs=${nowMs} select=${select} hasSentence /></li>`)}</ul>
    </details>`}
  </section>`;
}

// One finding may need more lines than the next: what is below moves when there is more to say, and not when there is less again.
function keepHeight(box) {
  if (!box || box.querySelector("details[open]")) return;
  box.style.minHeight = `${Math.max(parseFloat(box.style.minHeight) || 0, box.getBoundingClientRect().height)}px`;
}

function Finding({ finding, nowMs, select, hasSentence }) {
  const { sentence, advice, severity, since_ms: since, vertex, subtask } = finding;
  return html`<div class="finding">
    ${hasSentence && html`<p class="lines" title=${sentence}><${Sign} severity=${severity} />${format.shortNames(sentence)}</p>`}
    <p class="dim small">
      ${advice && html`<span>${advice}.</span> `}
      ${since && nowMs > since && html`<span class="nowrap">Since ${format.clock(since)}, for ${format.duration(nowMs - since)}.</span> `}
      ${vertex && html`<button class="link" onClick=${() => select(vertex)}>Show ${subtask ?? vertex}</button>`}
    </p>
  </div>`;
}

// One line below a job's name in a list.
export const WhyLine = ({ why }) => html`<div class="why-line small">${why && html`<${Sign} severity=${worst(why)} /><span class="lines" title=${why.summary}>${format.shortNames(why.summary)}</span>`}</div>`;

const RANKS = ["critical", "warning"];
const CALM_MS = 60_000;

// Of each of these jobs what holds it back, and how unwell it is: 0 for the worst. What has just been unwell counts so for a while, so that
// a list in this order is calm. `isKnown` is false until all have been asked, for a second at most.
export function useWhys(ids) {
  const [state, setState] = useState({ whys: new Map(), isKnown: false });
  const ranks = useRef(new Map());
  useEffect(() => {
    let stopped = false;
    let timer;
    const late = setTimeout(() => setState((before) => ({ ...before, isKnown: true })), 1000);
    const once = async () => {
      if (!document.hidden) {
        const answers = await Promise.all(ids.map((id) => get(`${jobPath(id)}/why`).catch(() => null)));
        if (stopped) return;
        clearTimeout(late);
        // What was last known stays while the server is away.
        setState(({ whys }) => ({ whys: new Map(ids.map((id, index) => [id, answers[index] ?? whys.get(id)])), isKnown: true }));
      }
      timer = setTimeout(once, LINE_POLL_MS);
    };
    once();
    return () => {
      stopped = true;
      clearTimeout(late);
      clearTimeout(timer);
    };
  }, [ids.join()]);
  const rankOf = (id) => {
    const why = state.whys.get(id);
    const rank = RANKS.indexOf(why && worst(why));
    const now = { rank: rank < 0 ? RANKS.length : rank, at: Date.now() };
    const before = ranks.current.get(id);
    if (!before || now.rank <= before.rank || now.at - before.at > CALM_MS) ranks.current.set(id, now);
    return ranks.current.get(id).rank;
  };
  return { ...state, rankOf };
}

// The vertex that a finding calls the bottleneck.
export const bottleneckOf = (why) => why.data?.findings.find((finding) => /bottleneck/i.test(finding.kind))?.vertex ?? null;
