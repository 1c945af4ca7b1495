// A tap: a sampled look at the records that leave a vertex.
import { html, useEffect, useRef, useState } from "./html.js";
import * as format from "./format.js";
import { Empty, heads, Panel, ProblemNote, Scroll } from "./parts.js";
import { jobPath, search } from "./rest.js";
import { Note, shown } from "./state.js";

const RECORDS_MAX = 200;
const PER_SECOND = 20;
const SHOW_MS = 250;

export function Tap({ job, vertex, close }) {
  const [redact, setRedact] = useState("");
  const [round, setRound] = useState(0);
  const { records, lost, end, problem } = useTap(job.id, vertex, redact, round);
  const place = useRef(null);
  useEffect(() => {
    place.current?.scrollIntoView({ block: "nearest" });
  }, []);
  const name = job.vertices.find((each) => each.id === vertex)?.name ?? "";
  const missed = lost > 0 ? `, ${lost} not shown` : "";
  const state = `${records.length} records${missed}, ${end === null ? `at most ${PER_SECOND} a second` : `ended: ${end}`}`;
  const again = (event) => {
    event.preventDefault();
    setRedact(new FormData(event.target).get("redact").trim());
    setRound((before) => before + 1);
  };
  return html`<div ref=${place}><${Panel} title=${`Records that leave ${vertex}`} id="tap" flush
      aside=${html`<span role="status">${state}</span> <button class="quiet" onClick=${close}>Close</button>`}>
    <form class="panel-body filters" onSubmit=${again}>
      <span class="clip dim">${name}</span><span class="spring"></span>
      <label class="inline">hide fields <input name="redact" autocomplete="off" placeholder="email,card" /></label>
      <button>Start again</button>
    </form>
    ${problem && html`<${ProblemNote} problem=${problem} />`}
    <div class="tap">
      ${records.length === 0 && !problem && html`<${Empty}>${end === null ? "No record has passed yet." : "No record passed."}<//>`}
      ${records.length > 0 &&
      html`<${Scroll} label="Records" tall><table>
        <caption class="visually-hidden">Records, newest first</caption>
        <thead><tr>${heads([["Seen", "w-small"], ["Subtask", "w-small"], ["Event time", "w-time"], ["Kind", "w-small"], ["Record"]])}</tr></thead>
        <tbody>${records.map(
          (record) => html`<tr key=${record.number}>
            <td class="nowrap">${format.clockMs(record.at_ms)}</td><td class="mono nowrap">${`${vertex}-${record.subtask}`}${record.to && html`<span class="dim"> → ${record.to}</span>`}</td>
            <td class="nowrap">${record.timestamp_ms === null || record.timestamp_ms === undefined ? "–" : format.time(record.timestamp_ms)}</td>
            <td class="mono">${record.kind ?? ""}</td><td class="mono breakable value">${shown(record.value)}<${Note} note=${record.note} /></td>
          </tr>`,
        )}</tbody>
      </table><//>`}
    </div>
  <//></div>`;
}

const NOTHING = { records: [], lost: 0, end: null, problem: null };

// The newest records first, shown some at a time however fast they come.
function useTap(job, vertex, redact, round) {
  const [state, setState] = useState(NOTHING);
  useEffect(() => {
    setState(NOTHING);
    let number = 0;
    let waiting = [];
    const path = `/api/v1${jobPath(job)}/vertices/${encodeURIComponent(vertex)}/tap${search({ limit: RECORDS_MAX, per_second: PER_SECOND, redact })}`;
    const source = new EventSource(path);
    const show = () => {
      if (waiting.length === 0) return;
      const newest = waiting.reverse();
      waiting = [];
      setState((before) => ({ ...before, records: [...newest, ...before.records].slice(0, RECORDS_MAX) }));
    };
    const timer = setInterval(show, SHOW_MS);
    const end = (change) => {
      show();
      // A tap that has ended does not begin anew by itself.
      source.close();
      setState((before) => ({ ...before, ...change }));
    };
    source.addEventListener("record", (event) => waiting.push({ ...JSON.parse(event.data), number: (number += 1) }));
    source.addEventListener("lost", (event) => setState((before) => ({ ...before, lost: before.lost + JSON.parse(event.data).lost })));
    source.addEventListener("end", (event) => end({ end: JSON.parse(event.data).reason }));
    source.addEventListener("problem", (event) => end({ problem: JSON.parse(event.data), end: "refused" }));
    source.addEventListener("error", () => end({ end: "the server cut it" }));
    return () => {
      source.close();
      clearInterval(timer);
    };
  }, [job, vertex, redact, round]);
  return state;
}
