// What the web page promises, looked at with a browser, with a stand-in for the server. `HEADWATER_SCREENSHOTS=FOLDER`
// keeps a picture of every view.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { launch, open, shows, stumbles } from "./browser.mjs";
import { CRASH_CAUSE, EVIL_NAME, IDS, LONG_NAME } from "./data.mjs";
import { Fake } from "./fake.mjs";

const PICTURES = process.env.HEADWATER_SCREENSHOTS;
const PHONE = { width: 360, height: 740 };
const GZIPPED_MAX = 100_000;
// Chromium calls more than this a page whose layout jumps.
const JUMPS_MAX = 0.1;

let browser;
let fake;
before(async () => {
  browser = await launch();
  fake = await new Fake().start();
});
after(async () => {
  await browser?.close();
  await fake?.stop();
});

const job = (part = "") => `/jobs/${IDS.slow}${part}`;

// Every view, and what it shows once it is there.
const VIEWS = [
  ["overview", "/", "Word count over a socket", "no space left", "is the bottleneck", "cannot be read"],
  ["jobs", "/jobs", "50 of 76", "Backfill of day 70", "Older"],
  ["job", job(), "Bottleneck", "busy 97 %", "HASH", "v1-1", "2 more findings"],
  ["checkpoints", job("/checkpoints"), "COMPLETED", "Checkpoint now", "Alignment"],
  ["checkpoint", job("/checkpoints?checkpoint=38"), "Checkpoint 38", "not yet"],
  ["restarts", job("/restarts"), "Newest root cause", "caught up", "triggered by hand", "followed", "12.4 k"],
  ["metrics", job("/metrics"), "Records in per second", "Watermark lag", "now"],
  ["state", job("/state"), "window-contents", "u64", "timers"],
  ["actors", job("/actors"), "job-master", "checkpoint-coordinator", "index out of bounds"],
  ["job-log", job("/logs"), "Log of this job", "a task died"],
  ["settings", job("/configuration"), "exponential-delay", "******"],
  ["submit", "/submit?program=socket_window_word_count", "the host to read lines from", "Parallelism"],
  ["sql", "/sql", "Ctrl", "1 statement, nothing wrong"],
  ["cluster", "/cluster", "Task slots", "free", "0123456789ab"],
  ["logs", "/logs", "a task died", "following"],
  ["config", "/config", "headwater.toml:3", "HEADWATER_LOG_LEVEL", "denied"],
  ["big", `/jobs/${IDS.big}`, "stage 0 of pipeline 0", "800"],
  ["long", `/jobs/${IDS.long}`, "with-customers-and-their-addresses", "RESTARTING"],
];

for (const [kind, options] of Object.entries({ "light desktop": { theme: "light" }, "dark phone": { theme: "dark", ...PHONE } })) {
  test(`every view is complete, calm and open to everyone: ${kind}`, async (context) => {
    for (const [name, path, ...texts] of VIEWS) {
      await context.test(name, async () => {
        const { page, errors, close } = await open(browser, fake.url + path, options);
        await shows(page, ...texts);
        if (PICTURES) await page.screenshot({ path: `${PICTURES}/${name}-${kind.replace(" ", "-")}.png`, fullPage: true });
        assert.deepEqual(await stumbles(page), []);
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "the page scrolls sideways");
        assert.ok((await page.evaluate(() => window.jumps)) < JUMPS_MAX, "the layout jumps");
        assert.deepEqual(errors, []);
        await close();
      });
    }
  });
}

test("the whole page is small", () => {
  const folder = new URL("../../static/", import.meta.url);
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile() && entry.name !== "README.md");
  const bytes = files.reduce((sum, file) => sum + gzipSync(readFileSync(`${file.parentPath ?? file.path}/${file.name}`), { level: 9 }).length, 0);
  assert.ok(bytes < GZIPPED_MAX, `${bytes} bytes`);
});

test("what is unwell is seen first, with its cause and what to do", async () => {
  const { page, close } = await open(browser, fake.url);
  await shows(page, "1 restarting", CRASH_CAUSE.slice(0, 60));
  const rows = (table) => page.evaluate((label) => [...document.querySelectorAll(`[aria-label="${label}"] .job-cell > a`)].map((link) => link.innerText), table);
  const running = await rows("Running jobs");
  assert.equal(running[0], LONG_NAME);
  assert.equal(running.at(-1), EVIL_NAME);
  assert.equal((await rows("Ended jobs"))[0], "Clicks by region");
  await page.goto(`${fake.url}/jobs/${IDS.long}`);
  await shows(page, CRASH_CAUSE, "v0-1 (TableSourceScan(table=[orders], fields=[…)");
  for (const sentence of await page.locator(".why .lines").all()) assert.ok(await sentence.evaluate((line) => line.scrollHeight <= line.clientHeight + 1), "a sentence is cut");
  await close();
});

test("nothing moves when there is less to say", async () => {
  const { page, close } = await open(browser, fake.url + job(), PHONE);
  await shows(page, "2 more findings");
  const place = () => page.locator(".tabs").evaluate((tabs) => tabs.getBoundingClientRect().top);
  const before = await place();
  const calm = { job: IDS.slow, now_ms: Date.now(), summary: "all is well", findings: [{ kind: "healthy", severity: "info", sentence: "all is well", advice: null, vertex: null, subtask: null, since_ms: null }] };
  await page.route("**/why", (route) => route.fulfill({ json: calm }));
  await shows(page, "all is well");
  assert.equal(await place(), before);
  await close();
});

test("the bottleneck is in view on a phone", async () => {
  const { page, close } = await open(browser, `${fake.url}/jobs/${IDS.slow}`, PHONE);
  await page.waitForFunction(() => {
    const bottleneck = document.querySelector(".vertex.bottleneck")?.getBoundingClientRect();
    return bottleneck && bottleneck.left >= 0 && bottleneck.right <= innerWidth;
  });
  await close();
});

test("a stream that is dead without anyone having noticed is noticed", async () => {
  const own = await new Fake({ isStill: true }).start();
  const { page, close } = await open(browser, own.url + job());
  await shows(page, "live", "Bottleneck");
  own.job(IDS.slow).state = "RESTARTING";
  await shows(page, "live", "RESTARTING");
  // Nothing is answered any more, and the stream is still open.
  await page.route("**/api/v1/**", (route) => route.abort("connectionfailed"));
  await shows(page, "disconnected, retrying", "The server does not answer");
  await page.unroute("**/api/v1/**");
  await page.waitForFunction(() => document.querySelector(".connection").innerText === "live" && !document.querySelector(".lost"));
  await close();
  await own.stop();
});

test("a job's name is text, whatever is in it", async () => {
  for (const path of ["/", "/jobs", `/jobs/${IDS.evil}`, `/jobs/${IDS.evil}/configuration`]) {
    const { page, close } = await open(browser, fake.url + path);
    await shows(page, EVIL_NAME);
    assert.equal(await page.evaluate(() => document.body.dataset.injected), undefined);
    assert.equal(await page.locator("img[src=x]").count(), 0);
    await close();
  }
});

test("what cannot be undone is asked first, and can be left by keyboard", async () => {
  const own = await new Fake().start();
  const { page, close } = await open(browser, own.url + job());
  const cancel = page.getByRole("button", { name: "Cancel job" });
  await cancel.focus();
  await page.keyboard.press("Enter");
  await shows(page, "Cancel this job?");
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => !document.querySelector("dialog"));
  assert.ok(await cancel.evaluate((button) => button === document.activeElement), "the focus goes back");
  assert.deepEqual(own.sent, []);
  await cancel.click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel job" }).click();
  await shows(page, "CANCELED", "Delete job");
  assert.deepEqual(own.sent.map(({ method, path }) => [method, path]), [["PATCH", `/jobs/${IDS.slow}?mode=cancel`]]);
  await page.getByRole("button", { name: "Delete job" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete job" }).click();
  await page.waitForURL("**/jobs");
  assert.equal(own.sent[1].method, "DELETE");
  await close();
  await own.stop();
});

test("an actor that is killed comes back counted", async () => {
  const own = await new Fake().start();
  const { page, close } = await open(browser, own.url + job("/actors"));
  await page.getByRole("button", { name: "Kill v2-1" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Kill v2-1" }).click();
  await shows(page, "killed v2-1", "killed on purpose");
  await close();
  await own.stop();
});

test("everything can be reached and worked by keyboard", async () => {
  const { page, close } = await open(browser, fake.url + job());
  await shows(page, "Bottleneck");
  const wanted = ["Skip to the content", "Jobs", "Cancel job", "Checkpoints", "Fit", "v1 window count"];
  const isReached = (name) => reached.some((text) => text.startsWith(name));
  const reached = [];
  for (let presses = 0; presses < 60 && !wanted.every(isReached); presses += 1) {
    await page.keyboard.press("Tab");
    reached.push(await page.evaluate(() => {
      const { innerText, ariaLabel } = document.activeElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
      return `${ariaLabel ?? innerText.replace(/\s+/g, " ")} ${outlineStyle === "none" || outlineWidth === "0px" ? "INVISIBLE" : ""}`;
    }));
  }
  for (const name of wanted) assert.ok(isReached(name), `${name}: ${reached.join(" / ")}`);
  assert.deepEqual(reached.filter((text) => text.includes("INVISIBLE")), []);
  await page.keyboard.press("Enter");
  await shows(page, "Subtasks of v1");
  await close();
});

test("a lost server is told and found again", async () => {
  const own = await new Fake().start();
  const { page, close } = await open(browser, own.url);
  await shows(page, "live", "Word count over a socket");
  const fails = (path) => page.waitForEvent("requestfailed", (request) => request.url().endsWith(path));
  const unanswered = fails("/why");
  await own.stop();
  await shows(page, "disconnected, retrying", "The server does not answer", "Word count over a socket");
  await unanswered;
  // Asked anew, so the page has taken note of what failed before.
  await fails("/overview");
  await shows(page, "is the bottleneck");
  const again = await new Fake({ port: own.port }).start();
  await page.waitForFunction(() => document.querySelector(".connection").innerText === "live" && !document.querySelector(".lost"));
  await close();
  await again.stop();
});

test("a server that asks for a token is entered with it, and a reader changes nothing", async () => {
  const own = await new Fake({ token: "s3cr3t", role: "read" }).start();
  const { page, close } = await open(browser, own.url + job());
  await shows(page, "asks for a token");
  await page.getByLabel("Token").fill("guess");
  await page.keyboard.press("Enter");
  await shows(page, "Wrong token");
  await page.getByLabel("Token").fill("s3cr3t");
  await page.keyboard.press("Enter");
  await shows(page, "Log out", "Bottleneck");
  assert.equal(await page.getByRole("button", { name: /Cancel job|Restart job|look at the records/ }).count(), 0);
  await close();
  await own.stop();
});

test("what the server does not have is not shown", async () => {
  const own = await new Fake({ without: ["/why", "/metrics", "/logs", "/config", "/audit", "/slots", "/restarts", `${IDS.slow}/events`] }).start();
  const { page, close } = await open(browser, own.url + job());
  await shows(page, "Restarts", "HASH");
  await page.waitForFunction(() => document.querySelectorAll(".tabs a").length === 6 && document.querySelectorAll(".top nav a").length === 5 && !document.querySelector(".why"));
  await page.goto(own.url + job("/restarts"));
  await shows(page, "Newest root cause", "restore");
  await close();
  await own.stop();
});

test("jobs are found by state and name, page after page", async () => {
  const { page, close } = await open(browser, `${fake.url}/jobs`);
  await page.getByRole("link", { name: "Older" }).click();
  await shows(page, "26 of 76", "Backfill of day 01", "Newest");
  await page.getByRole("link", { name: "Failed" }).click();
  await shows(page, "Clicks by region");
  await page.getByRole("link", { name: "All", exact: true }).click();
  await page.getByLabel("name").fill("nightly");
  await page.waitForURL("**/jobs?name=nightly");
  await page.waitForFunction(() => document.querySelectorAll("main tbody tr").length === 1);
  await page.goBack();
  await shows(page, "Clicks by region");
  await close();
});

test("a checkpoint is triggered, and one is shown in detail", async () => {
  const own = await new Fake({ isStill: true }).start();
  const { page, close } = await open(browser, own.url + job("/checkpoints"));
  await page.getByRole("button", { name: "Checkpoint now" }).click();
  await shows(page, "triggered 41");
  await page.getByRole("button", { name: "Checkpoint 38 in detail" }).click();
  await shows(page, "not yet", "v2-1");
  await page.getByRole("button", { name: "Close" }).click();
  await page.waitForURL((url) => url.search === "");
  await close();
  await own.stop();
});

test("records are looked at where they pass, without the fields that are hidden", async () => {
  const { page, close } = await open(browser, fake.url + job());
  await page.getByRole("button", { name: /look at the records from socket source/ }).click();
  await shows(page, "Records from v0 to v1", '"email":"a@b.c"', "3 not shown, ended: limit");
  await page.getByLabel("hide fields").fill("email");
  await page.getByRole("button", { name: "Start again" }).click();
  await page.waitForFunction(() => document.body.innerText.includes('"email":"******"') && !document.body.innerText.includes("a@b.c"));
  await close();
});

test("state is browsed by page and by key", async () => {
  const { page, close } = await open(browser, fake.url + job("/state"));
  await page.getByRole("button", { name: "window-contents" }).click();
  await shows(page, "word-49", "<i>river</i>");
  await page.getByRole("button", { name: "Next" }).click();
  await shows(page, "word-99");
  await page.getByLabel("key", { exact: true }).fill("river");
  await page.getByRole("button", { name: "Look up" }).click();
  await page.waitForFunction(() => document.body.innerText.includes("word-7") && !document.body.innerText.includes("word-99"));
  await page.getByLabel("key", { exact: true }).fill("nothing");
  await page.keyboard.press("Enter");
  await shows(page, "There is nothing under this key");
  await close();
});

test("the log is filtered and followed", async () => {
  const { page, close } = await open(browser, `${fake.url}/logs`);
  await shows(page, "connecting again to <b>localhost</b>");
  const newest = () => page.evaluate(() => document.querySelector(".log").lastElementChild.innerText);
  const before = await newest();
  await page.waitForFunction((text) => document.querySelector(".log").lastElementChild.innerText !== text, before);
  await page.getByLabel("text").fill("task died");
  await page.waitForFunction(() => [...document.querySelectorAll(".log-line")].every((line) => line.innerText.includes("task died")));
  await page.getByLabel("text").fill("");
  await page.getByLabel("level").selectOption("error");
  await page.waitForFunction(() => document.querySelector(".log-line") && [...document.querySelectorAll(".log-level")].every((level) => level.innerText === "ERROR"));
  await close();
});

test("metrics are looked at as they were, and followed again", async () => {
  const { page, close } = await open(browser, fake.url + job("/metrics"));
  await shows(page, "Watermark lag");
  const asked = page.waitForRequest((request) => {
    const query = new URL(request.url()).searchParams;
    return Number(query.get("to_ms")) < Date.now() - 3_600_000 && query.get("vertex") === "v1";
  });
  await page.getByLabel("vertex").selectOption("v1");
  await page.getByLabel("until").fill(String(-2 * 3_600_000));
  await asked;
  await page.getByRole("button", { name: "Follow" }).click();
  await page.waitForFunction(() => document.querySelector(".slider-time").innerText === "now");
  await close();
});

test("an answer that is cut off is none, and is asked for again", async () => {
  const { page, errors, close } = await open(browser, "about:blank");
  let asked = 0;
  await page.route("**/api/v1/programs", (route) => ((asked += 1) === 1 ? route.fulfill({ body: '{"programs": [{"na', contentType: "application/json" }) : route.continue()));
  await page.goto(`${fake.url}/submit`);
  await shows(page, "Server unreachable");
  await shows(page, "socket_window_word_count", "live");
  assert.deepEqual(errors, []);
  await close();
});

test("colours are chosen and remembered", async () => {
  const { page, close } = await open(browser, fake.url, { theme: "light" });
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await shows(page, "Running jobs");
  const light = await background();
  for (const press of ["light", "dark"]) {
    await page.getByRole("button", { name: new RegExp(`Change to ${press}`) }).click();
  }
  const dark = await background();
  assert.notEqual(dark, light);
  await page.reload();
  await shows(page, "Running jobs");
  assert.equal(await background(), dark);
  await close();
});

test("a job of two hundred vertices is painted soon, and only what is in view is in the document", async () => {
  const { page, close } = await open(browser, `${fake.url}/jobs/${IDS.big}`);
  await shows(page, "stage 0 of pipeline 0", "v0-3");
  const paintedMs = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime);
  const shownMs = await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => resolve(performance.now()))));
  // A second is promised; a machine that does other things at the same time gets five.
  assert.ok(paintedMs < 5_000 && shownMs < 5_000 * 2, `painted after ${paintedMs} ms, all there at ${shownMs} ms`);
  const count = () => page.evaluate(() => document.querySelectorAll("*").length);
  assert.ok((await count()) < 4_000, `${await count()} elements`);
  await page.getByRole("group", { name: "Subtasks" }).evaluate((table) => table.scrollTo(0, table.scrollHeight));
  await shows(page, "v199-3");
  await page.getByRole("button", { name: "Fit" }).click();
  await shows(page, "stage 9 of pipeline 19");
  await close();
});

test("an hour of updates leaks nothing", async () => {
  const own = await new Fake({ isStill: true }).start();
  const { page, close } = await open(browser, own.url + job());
  await shows(page, "Bottleneck");
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Performance.enable");
  const measured = async () => {
    await devtools.send("HeapProfiler.collectGarbage");
    const { metrics } = await devtools.send("Performance.getMetrics");
    return Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
  };
  const update = async (times) => {
    for (let done = 0; done < times; done += 1) {
      own.advance(250);
      // So that every update is one of its own to the page.
      if (done % 20 === 19) await page.waitForFunction((newest) => document.querySelector(".facts").innerText.includes(newest), String(own.newest));
    }
  };
  await update(200);
  const before = await measured();
  await update(4_000);
  const later = await measured();
  assert.ok(later.Nodes < before.Nodes * 1.2 + 200, `nodes: ${before.Nodes}, then ${later.Nodes}`);
  assert.ok(later.JSEventListeners < before.JSEventListeners * 1.2 + 50, `listeners: ${before.JSEventListeners}, then ${later.JSEventListeners}`);
  assert.ok(later.JSHeapUsedSize < before.JSHeapUsedSize * 1.2 + 2e6, `heap: ${before.JSHeapUsedSize}, then ${later.JSHeapUsedSize}`);
  await close();
  await own.stop();
});
