// The page's frame: the top bar, and the route that is shown below it.
import { html, render, useEffect, useState } from "./html.js";
import { JobPage } from "./job.js";
import { OverviewPage } from "./overview.js";
import { SqlPage } from "./sql.js";

const CONNECTIONS = {
  connecting: { tone: "busy", text: "connecting" },
  live: { tone: "good", text: "live" },
  retrying: { tone: "bad", text: "disconnected, retrying" },
  gone: { tone: "quiet", text: "nothing to follow" },
};

function Connection({ connection }) {
  const { tone, text } = CONNECTIONS[connection];
  return html`<span class="connection tone-${tone}" role="status"><span class="dot"></span>${text}</span>`;
}

// `connection` is that of the page below.
export function Frame({ connection, trail, about, children }) {
  return html`<header class="top">
      <a class="brand" href="/"><img src="/static/icon.svg" alt="" width="26" height="26" />Headwater</a>
      <nav aria-label="Breadcrumb">${trail ?? ""}</nav>
      <a href="/sql" aria-current=${location.pathname === "/sql" ? "page" : undefined}>SQL</a>
      <span class="top-about dim">${about ?? ""}</span>
      <${Connection} connection=${connection} />
    </header>
    <main>${children}</main>`;
}

function App() {
  const [path, setPath] = useState(location.pathname);

  useEffect(() => {
    const moved = () => setPath(location.pathname);
    const clicked = (event) => {
      const link = event.target.closest("a[href^='/']");
      const isPlain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
      if (!link || !isPlain || link.pathname.startsWith("/api/")) return;
      event.preventDefault();
      go(link.pathname);
    };
    addEventListener("popstate", moved);
    document.addEventListener("click", clicked);
    return () => {
      removeEventListener("popstate", moved);
      document.removeEventListener("click", clicked);
    };
  }, []);

  const go = (to) => {
    history.pushState(null, "", to);
    setPath(location.pathname);
    scrollTo(0, 0);
  };

  if (path === "/sql") return html`<${SqlPage} frame=${Frame} go=${go} />`;
  const job = path.match(/^\/jobs\/([^/]+)$/)?.[1];
  return job
    ? html`<${JobPage} key=${job} id=${decodeURIComponent(job)} frame=${Frame} />`
    : html`<${OverviewPage} frame=${Frame} go=${go} />`;
}

render(html`<${App} />`, document.getElementById("app"));
