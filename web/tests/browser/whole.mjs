// A night with a whole server, whose jobs run: `node whole.mjs SCENARIO URL FOLDER [TOKEN …]`. What is to be done to the server
// meanwhile is a line on standard output, and it has been done once a line comes back.
import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import { launch, open, shows } from "./browser.mjs";

const [, , scenario, url, folder, ...tokens] = process.argv;
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function ask(what) {
  console.log(what);
  await answers.next();
}

const SCRIPT = `CREATE TABLE clicks (page INT, at TIMESTAMP_LTZ(3), WATERMARK FOR at AS at - INTERVAL '1' SECOND)
WITH ('connector' = 'datagen', 'rows-per-second' = '200', 'fields.page.min' = '1', 'fields.page.max' = '5');
`;
const JOB = `${SCRIPT}CREATE TABLE counts (page INT, clicks BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO counts SELECT page, COUNT(*) FROM clicks GROUP BY page;`;

const button = (page, name) => page.getByRole("button", { name }).click();
const write = (page, sql) => page.getByLabel("SQL", { exact: true }).fill(sql);

async function confirm(page, name) {
  await button(page, name);
  await page.getByRole("dialog").getByRole("button", { name }).click();
}

async function submitByEditor(page) {
  await write(page, JOB);
  await shows(page, "3 statements, nothing wrong");
  await page.getByLabel("job name").fill("Clicks by page");
  await page.getByLabel("parallelism").fill("2");
  await button(page, "Submit job");
  await page.waitForURL("**/jobs/*");
  await shows(page, "Clicks by page", "RUNNING", "HASH", "v1-1");
  await page.waitForSelector(".why-summary .lines:not(:empty)");
  return new URL(page.url()).pathname;
}

const SCENARIOS = {
  async job({ page, to, expectRefusals }) {
    await to("/sql");
    await write(page, `${SCRIPT}SELECT page, COUNT(*) FROM klicks GROUP BY page;`);
    await shows(page, "line 3, column", "klicks");
    await write(page, `${SCRIPT}SELECT page, COUNT(*) AS clicks FROM clicks GROUP BY page;`);
    await shows(page, "2 statements, nothing wrong");
    await page.getByRole("spinbutton", { name: "rows" }).fill("7");
    await button(page, "Preview");
    await shows(page, "7 rows, that is as many as were asked for", "clicks BIGINT");
    const job = await submitByEditor(page);

    await button(page, /look at the records from/);
    await page.waitForSelector("#tap");
    await page.waitForFunction(() => document.querySelectorAll(".tap tbody tr").length > 3);
    await page.getByRole("button", { name: "Close" }).click();
    await page.getByRole("group", { name: "Subtasks" }).getByRole("button", { name: /^v1-1/ }).click();
    await shows(page, "Subtask v1-1", "Attempts", "Inputs", "Records in");
    await page.keyboard.press("Escape");

    await page.getByRole("link", { name: "Checkpoints" }).click();
    await button(page, "Checkpoint now");
    await page.waitForFunction(() => /triggered \d+|\d+ was under way/.test(document.body.innerText));
    await shows(page, "COMPLETED");
    await page.getByRole("row", { name: /COMPLETED/ }).first().getByRole("button").click();
    await shows(page, "Acknowledged after", "v0-0", "v1-1");
    await page.keyboard.press("Escape");

    await page.getByRole("link", { name: "State", exact: true }).click();
    await page.getByRole("group", { name: "States" }).getByRole("button").nth(1).click();
    await page.waitForFunction(() => document.querySelectorAll("[aria-label=Entries] tbody tr").length > 0);
    await page.getByLabel("key", { exact: true }).fill("3");
    await button(page, "Look up");
    await page.waitForFunction(() => document.querySelectorAll("[aria-label=Entries] tbody tr").length === 1);
    expectRefusals();
    await page.getByLabel("key", { exact: true }).fill("no such key");
    await button(page, "Look up");
    await shows(page, "Invalid request", "no such key");
    assert.equal(await page.locator("[aria-label=Entries] tbody tr").count(), 0);

    await page.getByRole("link", { name: "Actors" }).click();
    await confirm(page, "Kill v1-0");
    await shows(page, "killed v1-0", "killed on purpose");
    await page.getByRole("link", { name: "Restarts" }).click();
    await shows(page, "Newest root cause", "killed on purpose", "4 tasks", "actor killed");
    await page.getByRole("link", { name: "Log", exact: true }).click();
    await shows(page, "a task failed", "cause=killed on purpose");
    await page.getByRole("link", { name: "Metrics" }).click();
    await shows(page, "Records in per second");
    await page.waitForSelector(".chart canvas");
    await page.getByLabel("until").fill(String(-3_600_000));
    await shows(page, "Nothing was recorded in this time");
    await button(page, "Follow");
    await shows(page, "Records in per second");
    await page.getByRole("link", { name: "Configuration" }).last().click();
    await shows(page, "datagen", "execution.checkpointing.interval", "1.0 s");

    await confirm(page, "Cancel job");
    await shows(page, "CANCELED", "Delete job");
    await confirm(page, "Restart job");
    await page.waitForURL((at) => at.pathname !== `${job}/configuration`);
    await shows(page, "RUNNING");
    await to(job);
    await confirm(page, "Delete job");
    await page.waitForURL("**/jobs");
    await shows(page, "1\n", "Clicks by page");
  },

  async lost({ page, to, expectLosses }) {
    await to("/sql");
    const job = await submitByEditor(page);
    await page.waitForFunction(() => /Last checkpoint\s+\d+/.test(document.body.innerText));
    await page.goto(`${url}${job}/logs`);
    await shows(page, "a job was accepted");
    expectLosses();
    await ask("kill");
    await shows(page, "disconnected, retrying", "The server does not answer", "a job was accepted");
    await ask("start");
    await page.waitForFunction(() => document.querySelector(".connection").innerText === "live" && !document.querySelector(".lost"));
    await shows(page, "RUNNING", "Restarts\n1");
    // The log is another process's, and is followed from its beginning.
    await page.getByLabel("text").fill("the job goes on");
    await page.waitForFunction(() => document.querySelectorAll(".log-line").length > 0);
  },

  async unwell({ page, to }) {
    await to("/submit?program=word_count");
    await shows(page, "folder to write the counts into");
    const form = page.locator("details[open] form");
    await form.getByLabel("input").fill(`${folder}/broken.txt`);
    await form.getByLabel("output").fill(`${folder}/out`);
    await form.getByLabel("Name").fill("Broken words");
    await form.getByLabel(/Further options/).fill("restart-strategy.type: fixed-delay\nrestart-strategy.fixed-delay.attempts: 100000\nrestart-strategy.fixed-delay.delay: 300 ms");
    await form.getByRole("button", { name: "Submit" }).click();
    await page.waitForURL("**/jobs/*");
    // The cause and what to do, in sentences that are not cut.
    await shows(page, "the job fails over and again", "malformed record", "`skip` or `dead-letter`", "a restart does not mend this");
    assert.ok(await page.locator(".why-summary .lines").evaluate((line) => line.scrollHeight <= line.clientHeight + 1), "the sentence is cut");
    await page.getByRole("link", { name: "State", exact: true }).click();
    await shows(page, "there is no state to look at");
    await to("/sql");
    await submitByEditor(page);
    await to("/");
    // Submitted before the other, and above it.
    await page.waitForFunction(() => document.querySelector("main tbody tr a")?.innerText === "Broken words");
    await shows(page, "the job fails over and again", "Clicks by page");
  },

  async reader({ page, to }) {
    const [operator, reader] = tokens;
    const logIn = async (token) => {
      await shows(page, "asks for a token");
      await page.getByLabel("Token").fill(token);
      await page.keyboard.press("Enter");
    };
    await to("/sql");
    await logIn(operator);
    const job = await submitByEditor(page);
    await page.waitForFunction(() => /Last checkpoint\s+\d+/.test(document.body.innerText));
    await button(page, "Log out");
    await logIn(reader);
    await shows(page, "Log out", "Clicks by page", "HASH");
    for (const path of ["", "/checkpoints", "/state", "/actors"]) {
      await to(job + path);
      await shows(page, "Clicks by page", { "": "HASH", "/checkpoints": "COMPLETED", "/state": "operator-state", "/actors": "job-master" }[path]);
      assert.equal(await page.getByRole("button", { name: /Cancel|Restart|Delete|look at|Checkpoint now|Kill|operator-state/ }).count(), 0, path);
    }
    for (const path of ["/sql", "/submit?program=word_count"]) {
      await to(path);
      await shows(page, "Read only");
      assert.equal(await page.getByRole("button", { name: /Preview|Submit/ }).count(), 0, path);
    }
  },
};

const browser = await launch();
try {
  const { page, errors } = await open(browser, url, { ignoreHTTPSErrors: true });
  let maySee = (error) => /status of 401/.test(error);
  const to = (path) => page.goto(url + path);
  // Chromium itself writes about them.
  const expectRefusals = () => (maySee = (error) => /status of 40/.test(error));
  const expectLosses = () => (maySee = (error) => /Failed to load resource|net::ERR/.test(error));
  await SCENARIOS[scenario]({ page, to, expectRefusals, expectLosses });
  assert.deepEqual(errors.filter((error) => !maySee(error)), []);
} finally {
  await browser.close();
  process.stdin.destroy();
}
