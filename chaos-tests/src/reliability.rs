//! What the documentation says of the last campaign, made from its results.

use std::{collections::BTreeMap, fmt::Write};

use headwater::core::fault::{FaultPoint, Phase};
use serde::{Deserialize, Serialize};

use crate::{
    matrix::ROWS,
    real::{Kills, VICTIMS, quantile},
    sim::{campaign::Summary, scenario::Victim},
};

/// The results of a campaign, as they are kept beside the documentation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Campaign {
    /// The command that repeats it.
    pub command: String,
    /// The machine's cores.
    pub cores: usize,
    /// Simulated runs with any faults.
    pub random: Simulated,
    /// Simulated runs with one death in a phase: by victim, then phase.
    pub deaths: BTreeMap<String, BTreeMap<String, Simulated>>,
    /// Real kills.
    pub real: Real,
}

/// Simulated runs.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub struct Simulated {
    /// The first seed.
    pub first_seed: u64,
    /// How many runs.
    pub runs: u64,
    /// How many with a violation.
    pub violations: u64,
    /// Processes that began.
    pub processes: u64,
    /// Virtual seconds.
    pub virtual_seconds: u64,
    /// Faults that happened, by kind.
    pub faults: BTreeMap<String, u64>,
}

impl Simulated {
    /// What a summary says.
    pub fn new(first_seed: u64, summary: Summary) -> Self {
        Self {
            first_seed,
            runs: summary.runs,
            violations: summary.violations,
            processes: summary.lives,
            virtual_seconds: summary.virtual_ms / 1_000,
            faults: summary.faults,
        }
    }

    fn fault_count(&self) -> u64 {
        self.faults.values().sum()
    }
}

/// Real kills.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub struct Real {
    /// Jobs whose output was judged.
    pub jobs: usize,
    /// Those with a violation.
    pub violations: usize,
    /// By victim.
    pub recoveries: BTreeMap<String, Times>,
}

/// How long recoveries took, in milliseconds: the median and the 99th percentile.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub struct Times {
    /// How many.
    pub kills: usize,
    /// Until it was known.
    pub detect_ms: Option<(f64, f64)>,
    /// Until all tasks were running.
    pub restore_ms: Option<(f64, f64)>,
    /// From then on until the first record.
    pub first_record_ms: Option<(f64, f64)>,
}

impl From<&Kills> for Real {
    fn from(kills: &Kills) -> Self {
        let times = kills.recoveries.iter().map(|(victim, recoveries)| {
            let both = |values: Vec<f64>| {
                let mut values = values;
                let rounded = |value: f64| (value * 10.0).round() / 10.0;
                Some((rounded(quantile(&mut values, 0.5)?), rounded(quantile(&mut values, 0.99)?)))
            };
            let times = Times {
                kills: recoveries.len(),
                detect_ms: both(recoveries.iter().map(|recovery| recovery.detect_ms).collect()),
                restore_ms: both(recoveries.iter().map(|recovery| recovery.restore_ms).collect()),
                first_record_ms: both(
                    recoveries.iter().filter_map(|recovery| recovery.first_record_ms).collect(),
                ),
            };
            (victim.clone(), times)
        });
        Self { jobs: kills.jobs, violations: kills.violations.len(), recoveries: times.collect() }
    }
}

/// Where the generated part of the documentation begins and ends.
const MARKS: (&str, &str) = ("<!-- made by the campaign: begin -->", "<!-- made by the campaign: end -->");

/// The document with its generated part replaced.
pub fn with_campaign(document: &str, campaign: &Campaign) -> Option<String> {
    let (before, rest) = document.split_once(MARKS.0)?;
    let (_, after) = rest.split_once(MARKS.1)?;
    Some(format!("{before}{}\n\n{}\n{}{after}", MARKS.0, render(campaign), MARKS.1))
}

/// The generated part.
fn render(campaign: &Campaign) -> String {
    let mut text = String::new();
    let all_runs = campaign.random.runs + cells(campaign).map(|cell| cell.runs).sum::<u64>();
    let violations = campaign.random.violations
        + cells(campaign).map(|cell| cell.violations).sum::<u64>()
        + campaign.real.violations as u64;
    let kills: usize = campaign.real.recoveries.values().map(|times| times.kills).sum();
    let _ = writeln!(
        text,
        "The last campaign: {all_runs} simulated runs and {kills} real kills in {} jobs on {} cores, **{violations} violations**. \
         Again with\n\n```\n{}\n```\n",
        campaign.real.jobs, campaign.cores, campaign.command
    );
    faults(&mut text);
    deaths(&mut text, campaign);
    random(&mut text, &campaign.random);
    recoveries(&mut text, campaign);
    points(&mut text);
    text
}

fn cells(campaign: &Campaign) -> impl Iterator<Item = &Simulated> {
    campaign.deaths.values().flat_map(BTreeMap::values)
}

// Writing to a string cannot fail.

fn faults(text: &mut String) {
    let _ =
        writeln!(text, "### Faults and their tests\n\n| # | fault | what holds | tests |\n|--:|---|---|---|");
    for (number, row) in (1..).zip(ROWS) {
        let tests: Vec<String> =
            row.tests.iter().map(|test| format!("`{}`", test.replacen(' ', "` `", 1))).collect();
        let _ = writeln!(text, "| {number} | {} | {} | {} |", row.fault, row.holds, tests.join(", "));
    }
    let _ = writeln!(
        text,
        "\nFiles are below `chaos-tests/tests`; what follows a file's name is how the tests' names in it begin."
    );
}

fn deaths(text: &mut String, campaign: &Campaign) {
    let _ = writeln!(
        text,
        "\n### Deaths in the phases of a checkpoint\n\n\
         Simulated deaths that were recovered from with the right output; violations would be in bold.\n"
    );
    let phases: Vec<String> =
        Phase::ALL.iter().map(|phase| format!("{phase:?}: {}", phase.describe())).collect();
    let _ = writeln!(text, "| | {} |\n|---|{}", phases.join(" | "), "--:|".repeat(phases.len()));
    for victim in Victim::ALL {
        let row = Phase::ALL.map(|phase| {
            let cell = campaign.deaths.get(victim.name()).and_then(|row| row.get(&format!("{phase:?}")));
            cell.map_or_else(String::new, |cell| match cell.violations {
                0 => cell.fault_count().to_string(),
                violations => format!("**{violations} of {}**", cell.runs),
            })
        });
        let _ = writeln!(text, "| {} | {} |", victim.describe(), row.join(" | "));
    }
}

fn random(text: &mut String, random: &Simulated) {
    let _ = writeln!(
        text,
        "\n### Any faults at any time\n\n\
         {} simulated runs with {} processes and {} faults in {} virtual seconds, {} of them with a violation:\n\n\
         | fault | times |\n|---|--:|",
        random.runs,
        random.processes,
        random.fault_count(),
        random.virtual_seconds,
        random.violations
    );
    for (fault, times) in &random.faults {
        let _ = writeln!(text, "| {fault} | {times} |");
    }
}

fn recoveries(text: &mut String, campaign: &Campaign) {
    let _ = writeln!(
        text,
        "\n### Recovery from real kills\n\n\
         Milliseconds, median / 99th percentile, with two servers at work at once. *Detected* is from the kill until it was on record; for the \
         process until the next one listened. Clocks there have milliseconds. *Restored* is from the death, or the next process's start, until all \
         tasks were running; for tasks the restart strategy's delay is in it, which grows from 10 to 100 ms here as kills come thick. *First record* \
         is from then on.\n\n\
         | killed | kills | detected | restored | first record |\n|---|--:|--:|--:|--:|"
    );
    let pair = |times: Option<(f64, f64)>| {
        times.map_or_else(|| "-".to_owned(), |(median, p99)| format!("{median:.1} / {p99:.1}"))
    };
    for victim in VICTIMS {
        let Some(times) = campaign.real.recoveries.get(victim) else { continue };
        let _ = writeln!(
            text,
            "| {victim} | {} | {} | {} | {} |",
            times.kills,
            pair(times.detect_ms),
            pair(times.restore_ms),
            pair(times.first_record_ms)
        );
    }
}

fn points(text: &mut String) {
    let _ = writeln!(text, "\n### Fault points\n\n| name | phase | where |\n|---|---|---|");
    for point in FaultPoint::ALL {
        let phase = point.phase().map_or_else(String::new, |phase| format!("{phase:?}"));
        let _ = writeln!(text, "| `{point}` | {phase} | {} |", point.describe());
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn the_documentation_holds_what_the_last_campaign_found() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
        let read = |name: &str| fs::read_to_string(docs.join(name)).expect("it is in the repository");
        let campaign: Campaign = serde_json::from_str(&read("campaign.json")).expect("a campaign wrote it");
        let document = read("RELIABILITY.md");
        let generated =
            with_campaign(&document, &campaign).expect("it has a place for the campaign's results");
        assert!(
            document == generated,
            "docs/RELIABILITY.md is not what follows from docs/campaign.json and the list of tests: run\n  \
             cargo run --release -p headwater-chaos-tests --bin campaign -- --docs docs --render"
        );
        assert_eq!(campaign.real.violations, 0);
    }
}
