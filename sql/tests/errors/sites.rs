//! The places in this crate that make errors, found in its code.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// What makes an error, and whether the error knows where it was made.
const MAKERS: [(&str, bool); 6] = [
    ("SqlError::new(", true),
    ("options.invalid(", true),
    ("options.error(", true),
    // The parser's become errors of sqlparser first, which say no more than a text.
    ("return error(", false),
    (" error(", false),
    (" refuse(", false),
];

/// A place that makes an error.
pub struct Site {
    file: String,
    pub line: u32,
    /// The message as it is in the code.
    text: String,
    knows_its_place: bool,
}

impl Site {
    /// The same while the code around it changes.
    pub fn name(&self) -> String {
        format!("{}: {}", self.file, self.text)
    }

    pub fn is_reached(&self, places: &BTreeSet<(String, u32)>, texts: &str) -> bool {
        if self.knows_its_place {
            return places.contains(&(self.file.clone(), self.line));
        }
        // The longest part of the message that is not filled in.
        let part = self.text.split(['{', '}']).step_by(2).max_by_key(|part| part.len());
        part.is_some_and(|part| part.len() > 3 && texts.contains(part))
    }
}

/// All sites of the crate, but for those in its tests.
pub fn all() -> Vec<Site> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    files.sort();
    let mut sites = Vec::new();
    for path in files {
        let code = fs::read_to_string(&path).unwrap();
        let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let file = format!("sql/{}", path.strip_prefix(root).unwrap().display());
        let lines: Vec<&str> = code.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let Some((maker, knows_its_place)) = MAKERS.iter().find(|(maker, _)| line.contains(maker)) else {
                continue;
            };
            if line.contains("fn ") || line.trim_start().starts_with("//") {
                continue;
            }
            let text = text_of(&lines, index, maker);
            sites.push(Site {
                file: file.clone(),
                line: index as u32 + 1,
                text: text.unwrap_or_else(|| line.trim().to_owned()),
                knows_its_place: *knows_its_place,
            });
        }
    }
    sites
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_test =
            path.file_stem().is_some_and(|name| name == "tests" || name == "testing" || name == "speed");
        if is_test {
            continue;
        }
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The message that is given to what makes the error: behind it, or called `message` before it.
fn text_of(lines: &[&str], index: usize, maker: &str) -> Option<String> {
    let arguments = lines[index..].iter().take(4).map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    let arguments = arguments.split_once(maker.trim_start())?.1.trim_start();
    if ["message", "&message"].iter().any(|name| arguments.starts_with(name)) {
        let back = lines[..index].iter().rev().take(12).position(|line| line.contains("let message ="))?;
        return literal(&lines[index - 1 - back..].iter().take(4).copied().collect::<Vec<_>>().join(" "));
    }
    literal(arguments)
}

fn literal(text: &str) -> Option<String> {
    let begin = text.find('"')? + 1;
    let mut end = begin;
    loop {
        end += text[end..].find('"')?;
        if !text[..end].ends_with('\\') {
            return Some(text[begin..end].to_owned());
        }
        end += 1;
    }
}
