//! The text that is being typed, and where it stands on the screen.

use unicode_width::UnicodeWidthChar;

/// A text of one or more lines with a cursor in it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Line {
    text: String,
    /// The byte that the cursor is before.
    cursor: usize,
}

impl Line {
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn cursor(&self) -> usize {
        self.cursor
    }

    /// Puts another text in place of all, the cursor at its end.
    pub(super) fn set(&mut self, text: &str) {
        self.text = text.to_owned();
        self.cursor = self.text.len();
    }

    pub(super) fn insert(&mut self, text: &str) {
        self.text.insert_str(self.cursor, text);
        self.cursor += text.len();
    }

    /// Puts `text` in place of what is between `start` and the cursor.
    pub(super) fn replace_from(&mut self, start: usize, text: &str) {
        self.text.replace_range(start..self.cursor, text);
        self.cursor = start + text.len();
    }

    pub(super) fn left(&mut self) {
        self.cursor -= self.before().chars().next_back().map_or(0, char::len_utf8);
    }

    pub(super) fn right(&mut self) {
        self.cursor += self.behind().chars().next().map_or(0, char::len_utf8);
    }

    pub(super) fn word_left(&mut self) {
        self.cursor = self.start_of_word();
    }

    pub(super) fn word_right(&mut self) {
        let behind = self.behind();
        let word = behind.find(|c: char| c.is_alphanumeric()).unwrap_or(behind.len());
        let rest = &behind[word..];
        self.cursor += word + rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
    }

    pub(super) fn line_start(&mut self) {
        self.cursor = self.start_of_line();
    }

    pub(super) fn line_end(&mut self) {
        self.cursor += self.behind().find('\n').unwrap_or(self.behind().len());
    }

    pub(super) fn backspace(&mut self) {
        let end = self.cursor;
        self.left();
        self.text.replace_range(self.cursor..end, "");
    }

    pub(super) fn delete(&mut self) {
        if let Some(next) = self.behind().chars().next() {
            self.text.replace_range(self.cursor..self.cursor + next.len_utf8(), "");
        }
    }

    pub(super) fn kill_word(&mut self) {
        self.replace_from(self.start_of_word(), "");
    }

    pub(super) fn kill_to_start(&mut self) {
        self.replace_from(self.start_of_line(), "");
    }

    pub(super) fn kill_to_end(&mut self) {
        let end = self.cursor + self.behind().find('\n').unwrap_or(self.behind().len());
        self.text.replace_range(self.cursor..end, "");
    }

    /// To the line above; `false` if there is none.
    pub(super) fn up(&mut self) -> bool {
        let start = self.start_of_line();
        let Some(end_of_above) = start.checked_sub(1) else { return false };
        let column = self.text[start..self.cursor].chars().count();
        let start_of_above = self.text[..end_of_above].rfind('\n').map_or(0, |at| at + 1);
        self.cursor = at_column(&self.text, start_of_above, end_of_above, column);
        true
    }

    /// To the line below; `false` if there is none.
    pub(super) fn down(&mut self) -> bool {
        let column = self.text[self.start_of_line()..self.cursor].chars().count();
        let Some(end) = self.behind().find('\n').map(|length| self.cursor + length) else { return false };
        let end_of_below = self.text[end + 1..].find('\n').map_or(self.text.len(), |length| end + 1 + length);
        self.cursor = at_column(&self.text, end + 1, end_of_below, column);
        true
    }

    fn before(&self) -> &str {
        &self.text[..self.cursor]
    }

    fn behind(&self) -> &str {
        &self.text[self.cursor..]
    }

    fn start_of_line(&self) -> usize {
        self.before().rfind('\n').map_or(0, |at| at + 1)
    }

    fn start_of_word(&self) -> usize {
        let before = self.before().trim_end_matches(|c: char| !c.is_alphanumeric());
        before.len()
            - before.chars().rev().take_while(|c| c.is_alphanumeric()).map(char::len_utf8).sum::<usize>()
    }
}

fn at_column(text: &str, start: usize, end: usize, column: usize) -> usize {
    text[start..end].char_indices().nth(column).map_or(end, |(offset, _)| start + offset)
}

/// A line as it is written to a terminal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// With the prompts, and with a line break wherever a row of the screen is full.
    pub text: String,
    /// The cursor's row and column, from 0.
    pub cursor: (usize, usize),
    /// The last row, from 0.
    pub last_row: usize,
}

impl Layout {
    /// The line behind its prompts, on a terminal of so many columns.
    pub(super) fn new(line: &Line, prompts: [&str; 2], width: usize) -> Self {
        let mut layout = Self { text: String::new(), cursor: (0, 0), last_row: 0 };
        let mut column = 0;
        layout.write(prompts[0], &mut column, width);
        for (at, char) in line.text.char_indices() {
            if at == line.cursor {
                layout.cursor = (layout.last_row, column);
            }
            if char == '\n' {
                layout.new_row(&mut column);
                layout.write(prompts[1], &mut column, width);
            } else {
                layout.write(char.encode_utf8(&mut [0; 4]), &mut column, width);
            }
        }
        if line.cursor == line.text.len() {
            layout.cursor = (layout.last_row, column);
        }
        layout
    }

    fn write(&mut self, text: &str, column: &mut usize, width: usize) {
        for char in text.chars() {
            // Control characters are shown as blanks.
            let (char, columns) = char.width().map_or((' ', 1), |columns| (char, columns));
            self.text.push(char);
            *column += columns;
            if *column + 1 >= width.max(3) {
                self.new_row(column);
            }
        }
    }

    fn new_row(&mut self, column: &mut usize) {
        self.text.push_str("\r\n");
        self.last_row += 1;
        *column = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        let mut line = Line::default();
        line.set(text);
        line
    }

    #[test]
    fn the_cursor_goes_by_characters_words_and_lines() {
        let mut line = line("SELECT ä\nFROM töne");
        line.word_left();
        assert_eq!(line.behind(), "töne");
        assert!(line.up());
        assert_eq!(line.behind(), "T ä\nFROM töne");
        assert!(!line.up());
        line.line_end();
        line.left();
        assert_eq!(line.behind(), "ä\nFROM töne");
        line.right();
        assert!(line.down());
        assert_eq!(line.behind(), "e");
        assert!(!line.down());
        line.line_start();
        line.word_right();
        assert_eq!(line.behind(), " töne");
    }

    #[test]
    fn text_is_inserted_and_removed_at_the_cursor() {
        let mut line = line("SELECT one, zwei");
        line.kill_word();
        line.insert("zwölf;");
        line.backspace();
        line.left();
        line.delete();
        assert_eq!(line.text(), "SELECT one, zwöl");
        line.kill_word();
        line.insert("\nFROM t");
        line.kill_to_start();
        assert_eq!(line.text(), "SELECT one, \n");
        line.up();
        line.kill_to_end();
        assert_eq!(line.text(), "\n");
        line.backspace();
        assert_eq!(line.text(), "\n", "there is nothing before the cursor");
    }

    #[test]
    fn a_layout_knows_where_everything_is_on_the_screen() {
        let mut line = line("abcd\nef");
        let layout = Layout::new(&line, ["> ", ". "], 80);
        assert_eq!(layout, Layout { text: "> abcd\r\n. ef".to_owned(), cursor: (1, 4), last_row: 1 });
        line.up();
        let layout = Layout::new(&line, ["> ", ". "], 6);
        assert_eq!(layout, Layout { text: "> abc\r\nd\r\n. ef".to_owned(), cursor: (0, 4), last_row: 2 });
        line.set("日本");
        let layout = Layout::new(&line, ["> ", ". "], 6);
        assert_eq!(layout.cursor, (1, 0));
    }
}
