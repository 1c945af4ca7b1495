// Chromium, driven by playwright, and what the tests ask of every page.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";

// Where scripts/setup --tests puts what is in package.json.
const cache = process.env.XDG_CACHE_HOME ?? `${homedir()}/.cache`;
const require = createRequire(`${cache}/headwater/browser-tests/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

export const DEADLINE_MS = 30_000;

export async function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu", "--js-flags=--expose-gc"] });
}

// A page of its own, with `errors`: what went wrong on it so far.
export async function open(browser, url, { width = 1440, height = 900, theme = "light", ...rest } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme, reducedMotion: "reduce", ...rest });
  const page = await context.newPage();
  page.setDefaultTimeout(DEADLINE_MS);
  const errors = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && errors.push(`${message.text()} (${message.location().url})`));
  page.on("pageerror", (error) => errors.push(String(error.stack ?? error)));
  await page.addInitScript(() => {
    window.jumps = 0;
    new PerformanceObserver((list) => {
      // Rows that give way to newer ones are no jump.
      const isJump = (entry) => !entry.hadRecentInput && entry.sources.some(({ node }) => node?.nodeName !== "TR");
      for (const entry of list.getEntries()) if (isJump(entry)) window.jumps += entry.value;
    }).observe({ type: "layout-shift", buffered: true });
  });
  await page.goto(url);
  return { page, errors, close: () => context.close() };
}

// Waits until the page's visible text holds all of `texts`.
export async function shows(page, ...texts) {
  try {
    await page.waitForFunction((wanted) => wanted.every((text) => document.body.innerText.includes(text)), texts);
  } catch (error) {
    const shown = await page.evaluate(() => document.body.innerText);
    assert.fail(`the page never showed all of ${JSON.stringify(texts)}; it shows:\n${shown}\n${error.message}`);
  }
}

// What a person who cannot see, or use a mouse, would stumble over.
export async function stumbles(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 4).map((node) => `${node.html.slice(0, 160)} ${node.any[0]?.message ?? node.all[0]?.message ?? ""}`).join(" | ")} (${nodes.length})`);
}
