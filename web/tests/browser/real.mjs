// Scenarios over a real server, one at a time: `node real.mjs SCENARIO URL`. What is to be done to the server meanwhile is a
// line on standard output, and it has been done once a line comes back.
import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import { launch, open, shows } from "./browser.mjs";
import { compare } from "./contract.mjs";

const [, , scenario, url] = process.argv;
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function ask(what) {
  console.log(what);
  await answers.next();
}

async function runningJob() {
  const { jobs } = await (await fetch(`${url}/api/v1/jobs`)).json();
  return `/jobs/${jobs.find((job) => job.state === "RUNNING").id}`;
}

async function write(page, sql) {
  await page.getByLabel("SQL", { exact: true }).fill(sql);
}

const SCENARIOS = {
  async contract() {
    await compare(url);
  },

  async overview(to) {
    const page = await to("/");
    await shows(page, "Socket word count", "RUNNING", "Nightly totals", "FINISHED", "no space left", "live");
    await ask("cancel");
    await shows(page, "No job is running", "CANCELED");
  },

  async job(to) {
    const path = await runningJob();
    const page = await to(path);
    await shows(page, "Socket word count", "HASH", "v2-1", "window count", "Malformed");
    await page.goto(`${url}${path}/restarts`);
    await shows(page, "restored checkpoint 30", "index out of bounds");
    await page.goto(`${url}${path}/checkpoints`);
    await shows(page, "COMPLETED");
    await page.waitForSelector(".chart canvas");
    await page.goto(`${url}${path}/actors`);
    await shows(page, "job-master", "checkpoint-coordinator", "v0-0");
    await page.getByRole("button", { name: "Kill v2-1" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Kill v2-1" }).click();
    await shows(page, "killed v2-1", "killed on purpose");
  },

  async unknown(to) {
    const page = await to("/jobs/nonsense");
    await shows(page, "Unknown job", "`nonsense` is not a job id", "nothing to follow");
  },

  async quiet(to) {
    const page = await to(`${await runningJob()}/actors`);
    await shows(page, "checkpoint-coordinator", "Cancel job");
    await page.waitForLoadState("networkidle").catch(() => {});
    assert.equal(await page.getByRole("button", { name: /Kill/ }).count(), 0);
  },

  async submit(to) {
    const page = await to("/submit");
    await shows(page, "socket-word-count", "generates records and counts them");
    await page.getByText("socket-word-count").click();
    const form = page.locator("details[open] form");
    await form.getByLabel("port").fill("9000");
    // What users type is text wherever it is shown.
    await form.getByLabel("Name").fill("<b id=injected>Bold</b>");
    await form.getByLabel(/Further options/).fill("state.backend.typ: hashmap");
    await form.getByRole("button", { name: "Submit" }).click();
    await shows(page, "did you mean `state.backend.type`?");
    await form.getByLabel(/Further options/).fill("state.backend.type: hashmap");
    await form.getByRole("button", { name: "Submit" }).click();
    await page.waitForURL("**/jobs/*");
    await shows(page, "<b id=injected>Bold</b>", "window count");
    await page.getByRole("link", { name: "Configuration" }).last().click();
    await shows(page, "hashmap");
    assert.equal(await page.locator("#injected").count(), 0);
  },

  async lost(to) {
    const page = await to("/");
    await shows(page, "live", "Socket word count");
    await ask("stop");
    await shows(page, "disconnected, retrying", "The server does not answer", "Socket word count");
    await ask("start");
    await page.waitForFunction(() => document.querySelector(".connection").innerText === "live");
  },

  async "editor-fault"(to) {
    const page = await to("/");
    await page.getByRole("link", { name: "SQL" }).first().click();
    await write(page, "SELECT '𝒳' FROM\n  '𝒳', oops WHERE true");
    await shows(page, "line 2, column 8", "did you mean `loops`?");
    assert.equal(await page.locator(".editor-backdrop mark").textContent(), "oops");
    await page.locator(".sql-verdict button").click();
    assert.equal(await page.evaluate(() => document.activeElement.value.slice(document.activeElement.selectionStart)), "oops WHERE true");
    await write(page, "SELECT 1");
    await shows(page, "1 statement, nothing wrong");
    assert.equal(await page.locator("mark").count(), 0);
  },

  async "editor-preview"(to) {
    const page = await to("/sql");
    await write(page, "SELECT waiting");
    await shows(page, "1 statement, nothing wrong");
    const place = () => page.locator(".preview").evaluate((element) => element.getBoundingClientRect().top);
    const before = await place();
    await page.keyboard.press("Control+Enter");
    await shows(page, "3 rows, running", "<b>river</b>", "NULL", "+U");
    assert.equal(await place(), before);
    await page.getByRole("button", { name: "Stop" }).click();
    await shows(page, "3 rows, stopped");
  },

  async "editor-submit"(to) {
    const page = await to("/sql");
    await write(page, "INSERT INTO oops SELECT 1");
    await page.getByLabel("job name").fill("By hand");
    await page.getByLabel("parallelism").fill("3");
    await page.getByRole("button", { name: "Submit job" }).click();
    await shows(page, "SQL cannot run", "did you mean `loops`?");
    await write(page, "INSERT INTO a SELECT 1");
    await page.getByRole("button", { name: "Submit job" }).click();
    await page.waitForURL("**/jobs/*");
    await shows(page, "By hand");
  },
};

const browser = await launch();
try {
  await SCENARIOS[scenario](async (path) => (await open(browser, url + path)).page);
} finally {
  await browser.close();
  process.stdin.destroy();
}
