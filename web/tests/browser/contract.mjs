// Whether the stand-in answers as the server says that it does itself, in its OpenAPI document.
import assert from "node:assert/strict";
import { IDS } from "./data.mjs";
import { Fake } from "./fake.mjs";

const JOB = `/jobs/${IDS.slow}`;
// What the page asks for, with the path in the document.
const ASKED = [
  ["/overview", "/overview"], ["/jobs", "/jobs?limit=3"], ["/programs", "/programs"], ["/slots", "/slots"],
  ["/jobs/{id}", JOB], ["/jobs/{id}/why", `${JOB}/why`], ["/jobs/{id}/restarts", `${JOB}/restarts`], ["/jobs/{id}/exceptions", `${JOB}/exceptions`],
  ["/jobs/{id}/events", `${JOB}/events`], ["/jobs/{id}/checkpoints", `${JOB}/checkpoints`], ["/jobs/{id}/checkpoints/{checkpoint}", `${JOB}/checkpoints/38`],
  ["/jobs/{id}/vertices/{vertex}/subtasks/{subtask}", `${JOB}/vertices/v1/subtasks/1`],
  ["/jobs/{id}/metrics", `${JOB}/metrics?from_ms=0&to_ms=9000&points=9`], ["/metrics/history", "/metrics/history?from_ms=0&to_ms=9000&points=9"],
  ["/jobs/{id}/state", `${JOB}/state`], ["/jobs/{id}/state/{vertex}/{state}", `${JOB}/state/v1/timers`],
  ["/logs", "/logs"], ["/config", "/config"], ["/session", "/session"], ["/audit", "/audit"],
];

export async function compare(url) {
  const { paths, components } = await (await fetch(`${url}/api/v1/openapi.json`)).json();
  const fake = await new Fake({ isStill: true }).start();
  const differences = [];
  for (const [path, asked] of ASKED) {
    const operation = paths[`/api/v1${path}`]?.get;
    if (!operation) {
      // A part that the page shows only where it is.
      console.error(`not in the document: ${path}`);
      continue;
    }
    const { schema } = operation.responses["200"].content["application/json"];
    const value = await (await fetch(`${fake.url}/api/v1${asked}`)).json();
    differences.push(...check(value, schema, components.schemas, path));
  }
  await fake.stop();
  assert.deepEqual(differences, []);
}

function resolved(schema, schemas) {
  return schema.$ref ? resolved(schemas[schema.$ref.split("/").at(-1)], schemas) : schema;
}

// What an object may and must have, of all the shapes that it is made of.
function fieldsOf(schema, schemas) {
  const { properties = {}, required = [], additionalProperties, allOf = [] } = resolved(schema, schemas);
  const parts = allOf.map((part) => fieldsOf(part, schemas));
  return {
    properties: Object.assign({}, properties, ...parts.map((part) => part.properties)),
    required: [...required, ...parts.flatMap((part) => part.required)],
    others: [additionalProperties, ...parts.map((part) => part.others)].find((each) => typeof each === "object"),
  };
}

function check(value, unresolved, schemas, at) {
  if (unresolved === true) return [];
  const schema = resolved(unresolved, schemas);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) {
    const tried = choices.map((choice) => check(value, choice, schemas, at));
    return tried.some((differences) => differences.length === 0) ? [] : tried[0];
  }
  const types = [schema.type ?? []].flat();
  const type = value === null ? "null" : Array.isArray(value) ? "array" : Number.isInteger(value) ? "integer" : typeof value;
  if (types.length > 0 && !types.includes(type) && !(type === "integer" && types.includes("number"))) return [`${at}: expected ${types}, found ${JSON.stringify(value)}`];
  if (schema.enum && !schema.enum.includes(value)) return [`${at}: expected one of ${schema.enum}, found ${value}`];
  if (type === "array") {
    const of = (index) => schema.prefixItems?.[index] ?? [schema.items ?? true].flat().at(Math.min(index, [schema.items].flat().length - 1));
    return value.slice(0, 3).flatMap((each, index) => check(each, of(index), schemas, `${at}[${index}]`));
  }
  if (type !== "object") return [];
  const { properties, required, others } = fieldsOf(schema, schemas);
  const missing = required.filter((name) => !(name in value)).map((name) => `${at}: ${name} is missing`);
  const wrong = Object.entries(value).flatMap(([name, each]) => {
    const of = properties[name] ?? others;
    if (of) return check(each, of, schemas, `${at}.${name}`);
    return Object.keys(properties).length > 0 ? [`${at}: the server has no ${name}`] : [];
  });
  return [...missing, ...wrong];
}
