//! Reads statements from a terminal: editing, history and completion.

use std::{
    fs::{self, OpenOptions},
    io::{self, Stdin, Stdout, Write, stdin, stdout},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

use termion::{
    event::Key,
    input::{Keys, TermRead},
    raw::IntoRawMode,
    terminal_size,
};

use super::line::{Layout, Line};

const PROMPTS: [&str; 2] = ["headwater> ", "       ... "];
const HISTORY_MAX: usize = 1_000;
const INDENT: &str = "  ";
const WIDTH_UNKNOWN: u16 = 80;

/// What completes a text: where what is completed begins, and what it may become.
pub(super) struct Completion {
    pub start: usize,
    pub candidates: Vec<String>,
}

/// What came of reading.
pub(super) enum Typed {
    /// A statement, or several.
    Text(String),
    /// Ctrl-C: what was typed is dropped.
    Dropped,
    /// Ctrl-D on an empty line, or the terminal is gone.
    End,
}

/// An editor of statements.
pub(super) struct Editor {
    keys: Keys<Stdin>,
    history: History,
}

impl Editor {
    pub(super) fn new(history: Option<PathBuf>) -> Self {
        Self { keys: stdin().keys(), history: History::load(history) }
    }

    /// Reads until Enter is pressed behind something that `is_complete`. `begin` is called once Ctrl-C is a key like others.
    pub(super) fn read(
        &mut self,
        begin: impl FnOnce(),
        is_complete: impl Fn(&str) -> bool,
        complete: impl Fn(&str, usize) -> Completion,
    ) -> io::Result<Typed> {
        let mut screen = Screen { out: stdout().into_raw_mode()?, row: 0 };
        begin();
        let mut line = Line::default();
        // The entry of the history that is shown; behind the last stands what is being typed.
        let mut entry = self.history.entries.len();
        let mut typed = String::new();
        screen.show(&line)?;
        loop {
            let Some(key) = self.keys.next().transpose()? else { return Ok(Typed::End) };
            match key {
                Key::Char('\n') if is_complete(line.text()) => {
                    screen.leave(&line)?;
                    self.history.add(line.text());
                    return Ok(Typed::Text(line.text().to_owned()));
                }
                Key::Char('\n') => line.insert("\n"),
                Key::Char('\t') => tab(&mut line, &mut screen, &complete)?,
                Key::Char(char) => line.insert(char.encode_utf8(&mut [0; 4])),
                Key::Ctrl('c') => {
                    screen.leave(&line)?;
                    return Ok(Typed::Dropped);
                }
                Key::Ctrl('d') if line.text().is_empty() => {
                    screen.leave(&line)?;
                    return Ok(Typed::End);
                }
                Key::Ctrl('d') | Key::Delete => line.delete(),
                Key::Backspace | Key::Ctrl('h') => line.backspace(),
                Key::Left | Key::Ctrl('b') => line.left(),
                Key::Right | Key::Ctrl('f') => line.right(),
                Key::CtrlLeft | Key::AltLeft | Key::Alt('b') => line.word_left(),
                Key::CtrlRight | Key::AltRight | Key::Alt('f') => line.word_right(),
                Key::Home | Key::Ctrl('a') => line.line_start(),
                Key::End | Key::Ctrl('e') => line.line_end(),
                Key::Ctrl('w') => line.kill_word(),
                Key::Ctrl('u') => line.kill_to_start(),
                Key::Ctrl('k') => line.kill_to_end(),
                Key::Ctrl('l') => screen.clear()?,
                Key::Up | Key::Ctrl('p') if !line.up() && entry > 0 => {
                    if entry == self.history.entries.len() {
                        typed = line.text().to_owned();
                    }
                    entry -= 1;
                    line.set(&self.history.entries[entry]);
                }
                Key::Down | Key::Ctrl('n') if !line.down() && entry < self.history.entries.len() => {
                    entry += 1;
                    line.set(self.history.entries.get(entry).unwrap_or(&typed));
                }
                _ => {}
            }
            screen.show(&line)?;
        }
    }
}

/// Completes as far as all candidates agree, and shows them if that is no further than it was.
fn tab(line: &mut Line, screen: &mut Screen, complete: impl Fn(&str, usize) -> Completion) -> io::Result<()> {
    let before = &line.text()[..line.cursor()];
    if before.ends_with(char::is_whitespace) || before.is_empty() {
        line.insert(INDENT);
        return Ok(());
    }
    let Completion { start, candidates } = complete(line.text(), line.cursor());
    let shared = shared_prefix(&candidates);
    match candidates.as_slice() {
        [] => {}
        [only] => line.replace_from(start, &format!("{only} ")),
        _ if shared.len() > line.cursor() - start => line.replace_from(start, shared),
        several => {
            screen.leave(line)?;
            screen.list(several)?;
        }
    }
    Ok(())
}

fn shared_prefix(candidates: &[String]) -> &str {
    let Some((first, rest)) = candidates.split_first() else { return "" };
    let shared = |other: &String| {
        first
            .char_indices()
            .zip(other.chars())
            .find(|((_, a), b)| a != b)
            .map_or(first.len().min(other.len()), |((at, _), _)| at)
    };
    &first[..rest.iter().map(shared).min().unwrap_or(first.len())]
}

/// The part of the terminal that the line is on.
struct Screen {
    out: termion::raw::RawTerminal<Stdout>,
    /// The cursor's row within the line.
    row: usize,
}

impl Screen {
    fn width() -> usize {
        // Terminals that do not know their size say 0.
        let known = terminal_size().ok().map(|(columns, _)| columns).filter(|columns| *columns > 0);
        usize::from(known.unwrap_or(WIDTH_UNKNOWN))
    }

    /// Writes the line over what was there of it.
    fn show(&mut self, line: &Line) -> io::Result<()> {
        let layout = Layout::new(line, PROMPTS, Self::width());
        let mut frame = String::new();
        if self.row > 0 {
            frame.push_str(&termion::cursor::Up(u16::try_from(self.row).unwrap_or(u16::MAX)).to_string());
        }
        frame.push_str(&format!("\r{}{}\r", termion::clear::AfterCursor, layout.text));
        let (row, column) = layout.cursor;
        for (count, code) in [(layout.last_row - row, 'A'), (column, 'C')] {
            if count > 0 {
                frame.push_str(&format!("\x1b[{count}{code}"));
            }
        }
        self.row = row;
        self.out.write_all(frame.as_bytes())?;
        self.out.flush()
    }

    /// To the row below the line, where something else can be written.
    fn leave(&mut self, line: &Line) -> io::Result<()> {
        let layout = Layout::new(line, PROMPTS, Self::width());
        let down = "\r\n".repeat(layout.last_row - layout.cursor.0 + 1);
        self.row = 0;
        self.out.write_all(down.as_bytes())?;
        self.out.flush()
    }

    fn list(&mut self, words: &[String]) -> io::Result<()> {
        let column = words.iter().map(|word| word.chars().count()).max().unwrap_or(0) + 2;
        let in_row = (Self::width() / column).max(1);
        for row in words.chunks(in_row) {
            let row: String = row.iter().map(|word| format!("{word:column$}")).collect();
            write!(self.out, "{}\r\n", row.trim_end())?;
        }
        self.out.flush()
    }

    fn clear(&mut self) -> io::Result<()> {
        self.row = 0;
        write!(self.out, "{}{}", termion::clear::All, termion::cursor::Goto(1, 1))
    }
}

/// What was typed before, oldest first, in a file with one entry a line.
struct History {
    entries: Vec<String>,
    file: Option<PathBuf>,
}

impl History {
    fn load(file: Option<PathBuf>) -> Self {
        let text = file.as_ref().and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
        let mut entries: Vec<String> = text.lines().map(unescaped).collect();
        entries.drain(..entries.len().saturating_sub(HISTORY_MAX));
        Self { entries, file }
    }

    fn add(&mut self, entry: &str) {
        let entry = entry.trim();
        if entry.is_empty() || self.entries.last().is_some_and(|last| last == entry) {
            return;
        }
        self.entries.push(entry.to_owned());
        let Some(file) = &self.file else { return };
        // Statements may hold passwords.
        let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(file);
        if let Err(error) = opened.and_then(|mut file| writeln!(file, "{}", escaped(entry))) {
            tracing::warn!("the history {} cannot be written and ends here: {error}", file.display());
            self.file = None;
        }
    }
}

fn escaped(entry: &str) -> String {
    entry.replace('\\', "\\\\").replace('\n', "\\n")
}

fn unescaped(line: &str) -> String {
    let mut entry = String::new();
    let mut chars = line.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => {
                entry.push(chars.next().map_or('\\', |escaped| if escaped == 'n' { '\n' } else { escaped }))
            }
            _ => entry.push(char),
        }
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_keeps_statements_of_several_lines_and_no_repetitions() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("history");
        let mut history = History::load(Some(file.clone()));
        let statement = "SELECT '\\n'\nFROM t;";
        for entry in [statement, statement, "  ", "SHOW TABLES;\n"] {
            history.add(entry);
        }
        assert_eq!(History::load(Some(file)).entries, [statement, "SHOW TABLES;"]);
    }

    #[test]
    fn completion_goes_as_far_as_candidates_agree() {
        let of = |words: &[&str]| {
            shared_prefix(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).to_owned()
        };
        assert_eq!(of(&["töne", "tönen", "tör"]), "tö");
        assert_eq!(of(&["one"]), "one");
        assert_eq!(of(&[]), "");
    }
}
