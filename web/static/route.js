// Where the page is, which is the browser's address and nothing else.
import { useEffect, useState } from "./html.js";

const MOVED = "headwater:moved";

export function go(to, { replace = false } = {}) {
  const isElsewhere = new URL(to, location.href).pathname !== location.pathname;
  history[replace ? "replaceState" : "pushState"](null, "", to);
  dispatchEvent(new Event(MOVED));
  if (isElsewhere && !replace) scrollTo(0, 0);
}

// { path, query }, again whenever either changes.
export function useRoute() {
  const read = () => location.pathname + location.search;
  const [at, setAt] = useState(read);
  useEffect(() => {
    const moved = () => setAt(read());
    for (const event of ["popstate", MOVED]) addEventListener(event, moved);
    return () => ["popstate", MOVED].forEach((event) => removeEventListener(event, moved));
  }, []);
  const [path, search] = at.split("?");
  return { path, query: new URLSearchParams(search ?? "") };
}

// Follows links within the page without loading it anew.
export function followLinks() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='/']");
    const isPlain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
    if (!link || !isPlain || link.pathname.startsWith("/api/")) return;
    event.preventDefault();
    go(link.pathname + link.search);
  });
}

export function useTitle(title) {
  useEffect(() => {
    document.title = title ? `${title} · Headwater` : "Headwater";
  }, [title]);
}
