// A tap: a sampled look at the records that leave a vertex.
import { html, useEffect, useRef, useState } from "./html.js";
import * as format from "./format.js";
import { Empty, heads, Panel, ProblemNote, Scroll } from "./parts.js";
import { jobPath, readEvents, search } from "./rest.js";
import { Note, shown } from "./state.js";

const RECORDS_MAX = 200;
const PER_SECOND = 20;
const SHOW_MS = 250;

// `edge` is { from, to }; all that leaves `from` if there is no `to`.
export function Tap({ job, edge, close }) {
  const [redact, setRedact] = useState("");
  const [round, setRound] = useState(0);
  const { records, lost, end, problem } = useTap(job.id, edge, redact, round);
  const place = useRef(null);
  useEffect(() => {
    place.current?.scrollIntoView({ block: "nearest" });
  }, []);
  const name = job.vertices.find((each) => each.id === edge.from)?.name ?? "";
  const missed = lost > 0 ? `, ${lost} not shown` : "";
  const state = `${records.length} records${missed}, ${end === null ? `at most ${PER_SECOND} a second` : `ended: ${end}`}`;
  const again = (event) => {
    event.preventDefault();
    setRedact(new FormData(event.target).get("redact").trim());
    setRound((before) => before + 1);
  };
  return html`<div ref=${place}><${Panel} title=${edge.to ? `Records from ${edge.from} to ${edge.to}` : `Records that leave ${edge.from}`} id="tap" flush
      aside=${html`<span role="status">${state}</span> <button class="quiet" onClick=${close}>Close</button>`}>
    <form class="panel-body filters" onSubmit=${again}>
      <span class="clip dim spring" title=${name}>${name}</span>
      <label class="inline">hide fields <input name="redact" autocomplete="off" placeholder="email,card" /></label>
      <button>Start again</button>
    </form>
    ${problem && html`<${ProblemNote} problem=${problem} />`}
    <div class="tap">
      ${records.length === 0 && !problem && html`<${Empty}>${end === null ? "No record has passed yet." : "No record passed."}<//>`}
      ${records.length > 0 &&
      html`<${Scroll} label="Records" tall><table>
        <caption class="visually-hidden">Records, newest first</caption>
        <thead><tr>${heads([["Seen", "w-small"], ["Kind"], ["Record"], ["Subtask", "w-small"], ["Event time", "w-time"]])}</tr></thead>
        <tbody>${records.map(
          (record) => html`<tr key=${record.number}>
            <td class="nowrap">${format.clockMs(record.at_ms)}</td><td class="mono">${record.kind ?? ""}</td><td class="mono breakable value">${shown(record.value)}<${Note} note=${record.note} /></td>
            <td class="mono nowrap">${`${edge.from}-${record.subtask}`}${record.to && html`<span class="dim"> → ${record.to}</span>`}</td>
            <td class="nowrap">${record.timestamp_ms === null || record.timestamp_ms === undefined ? "–" : format.time(record.timestamp_ms)}</td>
          </tr>`,
        )}</tbody>
      </table><//>`}
    </div>
  <//></div>`;
}

const NOTHING = { records: [], lost: 0, end: null, problem: null };

// The newest records first, shown some at a time however fast they come.
function useTap(job, { from, to }, redact, round) {
  const [state, setState] = useState(NOTHING);
  useEffect(() => {
    setState(NOTHING);
    let number = 0;
    let waiting = [];
    const abort = new AbortController();
    const path = `${jobPath(job)}/vertices/${encodeURIComponent(from)}/tap${search({ limit: RECORDS_MAX, per_second: PER_SECOND, redact, to })}`;
    const update = (change) => abort.signal.aborted || setState((before) => ({ ...before, ...change(before) }));
    const show = () => {
      if (waiting.length === 0) return;
      const newest = waiting.reverse();
      waiting = [];
      update((before) => ({ records: [...newest, ...before.records].slice(0, RECORDS_MAX) }));
    };
    const take = (name, data) => {
      if (name === "record") waiting.push({ ...data, number: (number += 1) });
      if (name === "lost") update((before) => ({ lost: before.lost + data.lost }));
      if (name === "end") update(() => ({ end: data.reason }));
    };
    const timer = setInterval(show, SHOW_MS);
    readEvents(path, null, abort.signal, take)
      .catch((problem) => update(() => (problem.title ? { problem, end: "refused" } : {})))
      .finally(() => {
        show();
        update((before) => ({ end: before.end ?? "the server is gone" }));
      });
    return () => {
      abort.abort();
      clearInterval(timer);
    };
  }, [job, from, to, redact, round]);
  return state;
}
