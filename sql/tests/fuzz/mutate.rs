//! Scripts with some of their tokens changed.

use std::{fs, path::Path};

use rand::{Rng, SeedableRng, rngs::SmallRng, seq::IndexedRandom};

use super::grammar::{CATALOG, Grammar};

/// Mutants are no longer than this: what grew beyond by repetitions of repetitions is slow, not stuck.
const BYTES_MAX: usize = 60_000;

/// What is mutated: the scripts that are in the repository.
pub struct Corpus {
    scripts: Vec<Vec<String>>,
}

/// Words, numbers, strings, blanks, and all other characters one by one.
pub fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(first) = chars.next() {
        let mut token = String::from(first);
        let class = |c: char| (c.is_alphanumeric() || c == '_', c.is_whitespace());
        if first == '\'' || first == '`' {
            for next in chars.by_ref() {
                token.push(next);
                if next == first {
                    break;
                }
            }
        } else if class(first) != (false, false) {
            while let Some(next) = chars.next_if(|next| class(*next) == class(first)) {
                token.push(next);
            }
        }
        tokens.push(token);
    }
    tokens
}

impl Corpus {
    /// All scripts of `examples/sql` and of Nexmark. The tables of Nexmark stand before its queries.
    pub fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let nexmark = fs::read_to_string(root.join("tests/nexmark/schema.sql")).expect("the schema is there");
        let mut scripts = Vec::new();
        for (folder, before) in [
            ("../examples/sql", ""),
            ("tests/nexmark/queries", nexmark.as_str()),
            ("tests/nexmark/variants", nexmark.as_str()),
        ] {
            let mut paths: Vec<_> = fs::read_dir(root.join(folder))
                .expect("the folder is there")
                .map(|entry| entry.expect("it can be listed").path())
                .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
                .collect();
            paths.sort();
            for path in paths {
                let text = fs::read_to_string(path).expect("it can be read");
                scripts.push(tokens(&format!("{before}{text}")));
            }
        }
        Self { scripts }
    }

    /// A script with a few changes.
    pub fn mutant(&self, seed: u64) -> String {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut script = if rng.random_ratio(1, 3) {
            tokens(&Grammar::new(seed).script())
        } else {
            self.any(&mut rng).clone()
        };
        for _ in 0..rng.random_range(1..5) {
            self.change(&mut script, &mut rng);
        }
        let mut bytes = 0;
        let fits = script.iter().take_while(|token| {
            bytes += token.len();
            bytes <= BYTES_MAX
        });
        fits.map(String::as_str).collect()
    }

    fn any(&self, rng: &mut SmallRng) -> &Vec<String> {
        self.scripts.choose(rng).expect("there are scripts")
    }

    fn change(&self, script: &mut Vec<String>, rng: &mut SmallRng) {
        if script.is_empty() {
            return script.push(CATALOG.to_owned());
        }
        let at = rng.random_range(0..script.len());
        let to = (at + rng.random_range(1..6)).min(script.len());
        match rng.random_range(0..9) {
            0 => drop(script.drain(at..to)),
            1 => {
                let other = rng.random_range(0..script.len());
                script.swap(at, other);
            }
            2 => {
                let copy = script[at..to].to_vec();
                script.splice(at..at, copy);
            }
            3 => {
                let other = self.any(rng);
                let from = rng.random_range(0..other.len());
                let part = other[from..(from + rng.random_range(1..40)).min(other.len())].to_vec();
                script.splice(at..to, part);
            }
            4 => {
                // The rest of another script.
                let other = self.any(rng);
                let from = rng.random_range(0..other.len());
                script.truncate(at);
                script.extend_from_slice(&other[from..]);
            }
            5 => {
                let character = char::from_u32(rng.random_range(0..0x3000)).unwrap_or('?');
                script.insert(at, character.to_string());
            }
            6 => {
                let numbers = ["0", "-1", "2147483648", "99999999999999999999", "1e400", "0.1", "''", "NULL"];
                script[at] = numbers.choose(rng).expect("there are some").to_string();
            }
            7 => {
                // Something within something within something.
                let (open, close) = [
                    ("(", ")"),
                    ("CAST(", " AS STRING)"),
                    ("(SELECT ", ")"),
                    ("ARRAY[", "]"),
                    ("NOT ", ""),
                    ("- ", ""),
                ][rng.random_range(0..6)];
                let depth = [2, 30, 120, 5_000][rng.random_range(0..4)];
                script.insert(to, close.repeat(depth));
                script.insert(at, open.repeat(depth));
            }
            _ => {
                let part = script[at..to].concat();
                script.insert(to, format!(" {part}").repeat([2, 40, 3_000][rng.random_range(0..3)]));
            }
        }
    }
}
