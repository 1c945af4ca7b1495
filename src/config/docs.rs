//! The table of all options as `docs/CONFIGURATION.md` has it.

use super::table::{ConfigOption, options};

/// Between these lines that file is made from the table.
pub const BEGIN: &str = "<!-- The tables below are made by `headwater config --markdown`. -->";

/// The tables, in Markdown.
pub fn markdown() -> String {
    let rows = |is_wanted: fn(&ConfigOption) -> bool| -> String {
        let mut rows = "| key | type | default | is |\n|---|---|---|---|\n".to_owned();
        for option in options().filter(is_wanted) {
            let default = match option.default {
                "" => String::new(),
                default => format!("`{default}`"),
            };
            rows += &format!(
                "| `{}` | {} | {default} | {} |\n",
                option.key,
                option.type_name(),
                option.description.replace('|', "\\|")
            );
        }
        rows
    };
    format!(
        "{BEGIN}\n\n## The server\n\n{}\n## Defaults for jobs\n\nWhat a job has that sets nothing itself.\n\n{}",
        rows(|option| !option.is_of_jobs()),
        rows(ConfigOption::is_of_jobs)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_the_table_as_it_is() {
        let documented = include_str!("../../docs/CONFIGURATION.md");
        let at = documented.find(BEGIN).expect("the tables begin somewhere");
        assert!(
            documented[at..] == markdown(),
            "docs/CONFIGURATION.md: take what `headwater config --markdown` prints"
        );
    }
}
