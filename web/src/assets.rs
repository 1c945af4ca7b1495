//! The page's files, in the binary.

use std::hash::{DefaultHasher, Hasher};

/// A file of the page.
pub(crate) struct Asset {
    /// Where it is served.
    pub(crate) path: &'static str,
    /// Its media type.
    pub(crate) content_type: &'static str,
    /// Its contents.
    pub(crate) bytes: &'static [u8],
}

impl Asset {
    /// The same for the same contents.
    pub(crate) fn fingerprint(&self) -> String {
        let mut hasher = DefaultHasher::new();
        hasher.write(self.bytes);
        format!("{:016x}", hasher.finish())
    }
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

macro_rules! asset {
    ($name:literal, $content_type:expr) => {
        Asset {
            path: concat!("/static/", $name),
            content_type: $content_type,
            bytes: include_bytes!(concat!("../static/", $name)),
        }
    };
}

pub(crate) static INDEX: Asset = asset!("index.html", HTML);

pub(crate) static STATIC: &[Asset] = &[
    asset!("actors.js", SCRIPT),
    asset!("app.js", SCRIPT),
    asset!("chart.js", SCRIPT),
    asset!("checkpoints.js", SCRIPT),
    asset!("cluster.js", SCRIPT),
    asset!("config.js", SCRIPT),
    asset!("editor.js", SCRIPT),
    asset!("format.js", SCRIPT),
    asset!("graph.js", SCRIPT),
    asset!("history.js", SCRIPT),
    asset!("html.js", SCRIPT),
    asset!("job.js", SCRIPT),
    asset!("jobs.js", SCRIPT),
    asset!("layout.js", SCRIPT),
    asset!("live.js", SCRIPT),
    asset!("logs.js", SCRIPT),
    asset!("overview.js", SCRIPT),
    asset!("parts.js", SCRIPT),
    asset!("preview.js", SCRIPT),
    asset!("rates.js", SCRIPT),
    asset!("rest.js", SCRIPT),
    asset!("restarts.js", SCRIPT),
    asset!("route.js", SCRIPT),
    asset!("session.js", SCRIPT),
    asset!("sql.js", SCRIPT),
    asset!("state.js", SCRIPT),
    asset!("submit.js", SCRIPT),
    asset!("tap.js", SCRIPT),
    asset!("tasks.js", SCRIPT),
    asset!("theme.js", SCRIPT),
    asset!("why.js", SCRIPT),
    asset!("base.css", STYLE),
    asset!("parts.css", STYLE),
    asset!("job.css", STYLE),
    asset!("sql.css", STYLE),
    asset!("icon.svg", IMAGE),
    asset!("vendor/preact.js", SCRIPT),
    asset!("vendor/preact-hooks.js", SCRIPT),
    asset!("vendor/htm.js", SCRIPT),
    asset!("vendor/uplot.js", SCRIPT),
    asset!("vendor/uplot.css", STYLE),
    asset!("vendor/LICENSES.txt", TEXT),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The names in `from "./x.js"`, `src="/static/x"` and the like.
    fn references(text: &str, before: &str) -> Vec<String> {
        text.split(before).skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
    }

    #[test]
    fn every_file_that_the_page_asks_for_is_embedded_and_none_is_left_over() {
        let index = std::str::from_utf8(INDEX.bytes).unwrap();
        let mut asked: Vec<String> = references(index, "=\"/static/");
        for asset in STATIC.iter().filter(|asset| asset.content_type == SCRIPT) {
            let folder = if asset.path.contains("/vendor/") { "vendor/" } else { "" };
            let imports = references(std::str::from_utf8(asset.bytes).unwrap(), "from \"./");
            asked.extend(imports.into_iter().map(|name| format!("{folder}{name}")));
            // The minifier leaves no space.
            let imports = references(std::str::from_utf8(asset.bytes).unwrap(), "from\"./");
            asked.extend(imports.into_iter().map(|name| format!("{folder}{name}")));
        }
        asked.push("vendor/LICENSES.txt".to_owned());
        asked.sort();
        asked.dedup();
        let mut embedded: Vec<&str> =
            STATIC.iter().filter_map(|asset| asset.path.strip_prefix("/static/")).collect();
        embedded.sort();
        assert_eq!(asked, embedded);
    }
}
