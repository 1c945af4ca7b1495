// The form that submits a program, made from what the program says it takes.
import { html, useState } from "./html.js";
import { connectionOf, usePolled } from "./live.js";
import { Empty, Heading, Panel, ProblemNote, ReadOnly } from "./parts.js";
import { request } from "./rest.js";
import { go, useRoute, useTitle } from "./route.js";
import { mayOperate } from "./session.js";

const POLL_MS = 10_000;

export function SubmitPage({ session, frame: Frame }) {
  const { data, problem } = usePolled("/programs", POLL_MS);
  const { query } = useRoute();
  const may = mayOperate(session);
  useTitle("Submit");
  return html`<${Frame} connection=${connectionOf(data, problem)} session=${session}>
    <${Heading} title="Submit a program"><span class="dim small">or write one in <a href="/sql">SQL</a></span><//>
    ${problem && html`<${ProblemNote} problem=${problem} />`}
    ${!may && html`<${ReadOnly} />`}
    <${Panel} title="Registered programs" id="programs" aside=${data?.programs.length}>
      ${data?.programs.length === 0 && html`<${Empty}>No program is registered in this binary.<//>`}
      <div class="programs">
        ${(data?.programs ?? []).map((program) => html`<${Submit} key=${program.name} program=${program} may=${may} isOpen=${query.get("program") === program.name} />`)}
      </div>
    <//>
  <//>`;
}

function Submit({ program, may, isOpen }) {
  const [problem, setProblem] = useState(null);
  const [isSending, setSending] = useState(false);

  const submit = async (event) => {
    event.preventDefault();
    setSending(true);
    setProblem(null);
    try {
      const { id } = await request("POST", "/jobs", submission(program, new FormData(event.target)));
      go(`/jobs/${id}`);
    } catch (refused) {
      setProblem(refused.title ? refused : { title: "Not sent", detail: refused.message });
      setSending(false);
    }
  };

  return html`<details class="program" open=${isOpen}>
    <summary><span class="strong mono">${program.name}</span><span class="dim">${program.description}</span></summary>
    <form onSubmit=${submit}>
      <fieldset>
        <legend>Arguments</legend>
        <div class="fields">
          ${program.args.map((argument) => html`<${ArgumentField} key=${argument.name} program=${program} argument=${argument} />`)}
          ${program.args.length === 0 && html`<p class="dim">This program takes none.</p>`}
        </div>
      </fieldset>
      <fieldset>
        <legend>Job</legend>
        <div class="fields">
          <label class="field"><span>Name</span><input name="job:name" placeholder=${program.name} maxlength="256" autocomplete="off" /></label>
          <label class="field"><span>Parallelism</span><input name="job:parallelism" type="number" min="1" placeholder="1" /></label>
          <label class="field"><span>Checkpoint interval, ms</span><input name="job:checkpoint_interval_ms" type="number" min="0" placeholder="1000" /></label>
          <label class="field span"><span>Further options, one <code>key: value</code> a line</span><textarea name="job:options" rows="2" spellcheck="false" placeholder="state.backend.type: hashmap"></textarea></label>
        </div>
      </fieldset>
      ${problem && html`<${ProblemNote} problem=${problem} />`}
      ${may && html`<button class="primary" disabled=${isSending}>${isSending ? "Submitting…" : "Submit"}</button>`}
    </form>
  </details>`;
}

function ArgumentField({ program, argument }) {
  const name = `arg:${argument.name}`;
  const help = `help-${program.name}-${argument.name}`;
  const common = { name, "aria-describedby": help, required: argument.required };
  const input =
    argument.kind === "flag"
      ? html`<select ...${common}>
          <option value="">${argument.default === null ? "not set" : `default (${argument.default})`}</option>
          <option>true</option><option>false</option>
        </select>`
      : html`<input ...${common} placeholder=${argument.default ?? ""} autocomplete="off"
          type=${isText(argument) ? "text" : "number"} step=${argument.kind === "float" ? "any" : undefined} />`;
  return html`<div class="field">
    <label><span>${argument.name}${argument.required && html`<span class="tone-bad plain" title="required"> *</span>`}</span>${input}</label>
    <small id=${help} class="dim">${argument.help}</small>
  </div>`;
}

const isText = (argument) => ["text", "path"].includes(argument.kind);

// What was left empty is left out, so that the program's own default holds.
function submission(program, form) {
  const given = (name) => form.get(name)?.trim() || undefined;
  const args = {};
  for (const argument of program.args) {
    const value = given(`arg:${argument.name}`);
    if (value === undefined) continue;
    // A whole number beyond 2^53 would be rounded here; as a text it reaches the program as it is.
    const number = Number(value);
    const isExact = argument.kind === "float" || Number.isSafeInteger(number);
    if (argument.kind === "flag") args[argument.name] = value === "true";
    else if (isText(argument) || !isExact) args[argument.name] = value;
    else args[argument.name] = number;
  }
  const whole = (name) => (given(name) === undefined ? undefined : Number(given(name)));
  return {
    program: program.name,
    args,
    name: given("job:name"),
    parallelism: whole("job:parallelism"),
    checkpoint_interval_ms: whole("job:checkpoint_interval_ms"),
    options: options(given("job:options") ?? ""),
  };
}

function options(text) {
  const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
  return Object.fromEntries(
    lines.map((line) => {
      const [key, ...value] = line.split(":");
      if (value.length === 0) throw new Error(`option line "${line}": expected "key: value"`);
      return [key.trim(), value.join(":").trim()];
    }),
  );
}
