//! How far long work has come, on standard error: on a terminal in a line that is written anew, elsewhere in a line now and
//! then.

use std::{
    io::{IsTerminal, Stderr, Write, stderr},
    time::{Duration, Instant},
};

use super::{output, table::span};

/// How often a terminal's line is written anew.
const ON_TERMINAL: Duration = Duration::from_millis(250);
/// How often there is a line elsewhere, such as in the log of a nightly job.
const ELSEWHERE: Duration = Duration::from_secs(10);
/// Columns of a terminal that does not tell.
const WIDTH: u16 = 80;

/// Shows how far one piece of work has come.
pub(super) struct Progress<W: Write = Stderr> {
    out: W,
    is_terminal: bool,
    /// `None`: nothing is shown, since programs read it.
    every: Option<Duration>,
    began: Instant,
    last: Instant,
    /// Whether a line is to be written over.
    has_line: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        let is_terminal = stderr().is_terminal();
        let every = if is_terminal { ON_TERMINAL } else { ELSEWHERE };
        Self::on(stderr(), is_terminal, (!output::is_json()).then_some(every))
    }
}

impl<W: Write> Progress<W> {
    fn on(out: W, is_terminal: bool, every: Option<Duration>) -> Self {
        let now = Instant::now();
        Self { out, is_terminal, every, began: now, last: now, has_line: false }
    }

    /// Says how far it is, if it is time to.
    pub(super) fn show(&mut self, how_far: impl FnOnce() -> String) {
        if self.every.is_none_or(|every| self.last.elapsed() < every) {
            return;
        }
        self.last = Instant::now();
        let text = output::on_one_line(&how_far());
        let text = format!("{:>10}  {text}", span(self.began.elapsed().as_millis() as i64));
        // Nobody may read standard error; that is no reason to end.
        let _ = if self.is_terminal {
            let width =
                termion::terminal_size().ok().map(|(columns, _)| columns).filter(|columns| *columns > 0);
            let width = width.unwrap_or(WIDTH);
            self.has_line = true;
            write!(self.out, "\r{}\x1b[K", cut(&text, usize::from(width).saturating_sub(1)))
        } else {
            writeln!(self.out, "{text}")
        };
        let _ = self.out.flush();
    }

    /// A line that stays.
    pub(super) fn note(&mut self, text: &str) {
        self.clear();
        output::note(text);
    }

    /// Takes the terminal's line away.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.has_line) {
            let _ = write!(self.out, "\r\x1b[K");
            let _ = self.out.flush();
        }
    }
}

impl<W: Write> Drop for Progress<W> {
    fn drop(&mut self) {
        self.clear();
    }
}

/// As much of a text as so many columns hold: a longer line would wrap, and could not be written over.
fn cut(text: &str, columns: usize) -> &str {
    use unicode_width::UnicodeWidthChar;
    let mut left = columns;
    let end = text.char_indices().find(|(_, c)| match left.checked_sub(c.width().unwrap_or(0)) {
        Some(rest) => {
            left = rest;
            false
        }
        None => true,
    });
    end.map_or(text, |(at, _)| &text[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(is_terminal: bool, every: Option<Duration>) -> String {
        let mut out = Vec::new();
        let mut progress = Progress::on(&mut out, is_terminal, every);
        for fault in 1..=2 {
            progress.show(|| format!("fault {fault} of 2\nof `\x1b[2J`"));
        }
        drop(progress);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_terminal_has_one_line_that_goes_and_others_have_lines_that_stay() {
        let terminal = shown(true, Some(Duration::ZERO));
        assert!(terminal.contains("\r       0 s  fault 2 of 2"), "{terminal:?}");
        assert!(!terminal.contains('\n') && terminal.ends_with("\r\x1b[K"), "{terminal:?}");
        let elsewhere = shown(false, Some(Duration::ZERO));
        assert_eq!(elsewhere.lines().count(), 2, "{elsewhere:?}");
        assert!(!elsewhere.contains(['\r', '\x1b']), "{elsewhere:?}");
        assert_eq!(shown(true, None), "", "programs are told nothing");
        assert_eq!(shown(false, Some(Duration::MAX)), "", "short work says nothing");
    }

    #[test]
    fn a_line_is_cut_by_what_is_seen() {
        assert_eq!((cut("日本語", 5), cut("abc", 3), cut("abc", 0)), ("日本", "abc", ""));
    }
}
