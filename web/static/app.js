// The page's frame: the top bar, and the route that is shown below it.
import { html, render, useEffect, useState } from "./html.js";
import { ClusterPage } from "./cluster.js";
import { ConfigPage } from "./config.js";
import { JobPage } from "./job.js";
import { JobsPage } from "./jobs.js";
import { useHas } from "./live.js";
import { LogsPage } from "./logs.js";
import { OverviewPage } from "./overview.js";
import { Here } from "./parts.js";
import { followLinks, useRoute } from "./route.js";
import { Login, LogOut, useSession } from "./session.js";
import { SqlPage } from "./sql.js";
import { SubmitPage } from "./submit.js";

const CONNECTIONS = {
  connecting: { tone: "busy", text: "connecting" },
  live: { tone: "good", text: "live" },
  retrying: { tone: "bad", text: "disconnected, retrying" },
  gone: { tone: "quiet", text: "nothing to follow" },
};

const PAGES = [
  { path: "/", name: "Overview", Page: OverviewPage },
  { path: "/jobs", name: "Jobs", Page: JobsPage },
  { path: "/submit", name: "Submit", Page: SubmitPage },
  { path: "/sql", name: "SQL", Page: SqlPage },
  { path: "/cluster", name: "Cluster", Page: ClusterPage },
  { path: "/logs", name: "Logs", Page: LogsPage, needs: "/logs?limit=1" },
  { path: "/config", name: "Configuration", Page: ConfigPage, needs: "/config" },
];

function Connection({ connection }) {
  const { tone, text } = CONNECTIONS[connection];
  return html`<span class="connection tone-${tone}" role="status"><span class="dot"></span><span class="connection-text">${text}</span></span>`;
}

function NavLink({ page, at }) {
  const isThere = page.path === "/" ? at === "/" : at === page.path || at.startsWith(`${page.path}/`);
  return html`<${Here} href=${page.path} isHere=${isThere}>${page.name}<//>`;
}

function OptionalLink({ page, at }) {
  return useHas(page.needs) && html`<${NavLink} page=${page} at=${at} />`;
}

const THEMES = ["auto", "light", "dark"];

function ThemeSwitch() {
  const [theme, setTheme] = useState(document.documentElement.dataset.theme);
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
  const turn = () => {
    document.documentElement.dataset.theme = next;
    localStorage.setItem("headwater.theme", next);
    dispatchEvent(new Event("headwater:theme"));
    setTheme(next);
  };
  return html`<button class="theme" onClick=${turn} aria-label=${`Colours: ${theme}. Change to ${next}`} title=${`colours: ${theme}`}>
    <span aria-hidden="true">${{ auto: "◐", light: "☀", dark: "☾" }[theme]}</span>
  </button>`;
}

// `connection` is that of the page below.
export function Frame({ connection, session, children }) {
  const { path } = useRoute();
  return html`<a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
    <header class="top">
      <a class="brand" href="/" aria-label="Headwater"><img src="/static/icon.svg" alt="" width="24" height="24" /><span>Headwater</span></a>
      <nav aria-label="Pages">
        ${PAGES.map((page) => html`<${page.needs ? OptionalLink : NavLink} key=${page.path} page=${page} at=${path} />`)}
      </nav>
      <${Connection} connection=${connection} />
      <${LogOut} session=${session} />
      <${ThemeSwitch} />
    </header>
    <main id="main" tabindex="-1">${children}</main>
    ${connection === "retrying" && html`<${Lost} />`}`;
}

function skip(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}

// Lies over the page's lower edge, so that nothing moves when the server goes and when it is back.
function Lost() {
  const [since] = useState(() => new Date().toLocaleTimeString("en-GB"));
  return html`<p class="lost" role="alert"><strong>The server does not answer.</strong> This is as it was at ${since}; the page tries again by itself.</p>`;
}

const JOB = /^\/jobs\/([^/]+)(?:\/([^/]+))?$/;

function App() {
  const { path } = useRoute();
  const { session, isKnown } = useSession();
  const subject = path.split("/").slice(0, 3).join("/");
  const [first] = useState(subject);
  useEffect(() => {
    // Whoever listens to the page hears of the new one; not when the page has just been loaded.
    if (subject !== first) document.getElementById("main")?.focus({ preventScroll: true });
  }, [subject]);

  if (!isKnown) return null;
  if (session.login_required && !session.role) return html`<${Login} />`;
  const [, id, tab] = path.match(JOB) ?? [];
  if (id) return html`<${JobPage} key=${id} id=${decodeURIComponent(id)} tab=${tab} session=${session} frame=${Frame} />`;
  const { Page } = PAGES.find((page) => page.path === path) ?? PAGES[0];
  return html`<${Page} key=${path} session=${session} frame=${Frame} />`;
}

followLinks();
render(html`<${App} />`, document.getElementById("app"));
