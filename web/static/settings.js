// What a job was submitted with, and all options that hold for it.
import { html } from "./html.js";
import { Empty, Panel } from "./parts.js";

export function Settings({ job }) {
  const args = Object.entries(job.args);
  return html`<${Panel} title="Arguments" id="arguments">
      <${Pairs} caption="Arguments" pairs=${args} none="The job was submitted without arguments." />
    <//>
    <${Panel} title="Options" id="options"><${Pairs} caption="Options" pairs=${Object.entries(job.options)} none="" /><//>`;
}

function Pairs({ caption, pairs, none }) {
  if (pairs.length === 0) return html`<${Empty}>${none}<//>`;
  return html`<table class="pairs">
    <caption class="visually-hidden">${caption}</caption>
    <tbody>
      ${pairs.map(([key, value]) => html`<tr key=${key}><th scope="row" class="mono">${key}</th><td class="mono">${String(value)}</td></tr>`)}
    </tbody>
  </table>`;
}
