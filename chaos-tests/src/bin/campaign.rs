//! A campaign: very many simulated runs and real kills, whose results go into the documentation.

use std::{collections::BTreeMap, fs, path::PathBuf, process::ExitCode};

use anyhow::{Context, ensure};
use clap::Parser;
use headwater::core::fault::Phase;
use headwater_chaos_tests::{
    real::{self, quantile},
    reliability::{Campaign, Real, Simulated, with_campaign},
    run::Binaries,
    sim::{
        campaign::{Kind, run_all},
        scenario::Victim,
    },
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs a campaign and, if nothing was violated, writes its results into the documentation
#[derive(Parser)]
struct Arguments {
    /// Simulated runs with any faults
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// Simulated runs for each victim and phase
    #[arg(long, default_value_t = 100)]
    deaths: u64,
    /// Real kills
    #[arg(long, default_value_t = 500)]
    kills: usize,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    first_seed: u64,
    /// The folder of the documentation; nothing is written without it
    #[arg(long)]
    docs: Option<PathBuf>,
    /// Runs nothing, but writes the documentation anew from the last campaign's results in that folder
    #[arg(long, requires = "docs")]
    render: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(docs) = arguments.docs.as_ref().filter(|_| arguments.render) {
        write(docs, &serde_json::from_str(&fs::read_to_string(docs.join("campaign.json"))?)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let first_seed = arguments.first_seed;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let simulate = |kind: Kind, runs: u64| {
        let complain = |complaint| eprintln!("{complaint}");
        Simulated::new(first_seed, run_all(kind, first_seed..first_seed + runs, cores, complain))
    };
    let random = simulate(Kind::Random, arguments.seeds);
    println!("any faults: {} runs, {} with a violation", random.runs, random.violations);
    let mut deaths: BTreeMap<String, BTreeMap<String, Simulated>> = BTreeMap::new();
    for victim in Victim::ALL {
        for phase in Phase::ALL {
            let cell = simulate(Kind::Death(victim, phase), arguments.deaths);
            println!(
                "{} in {phase:?}: {} runs, {} with a violation",
                victim.describe(),
                cell.runs,
                cell.violations
            );
            deaths.entry(victim.name().to_owned()).or_default().insert(format!("{phase:?}"), cell);
        }
    }
    let kills = real::kill(&binaries()?, arguments.kills, cores, first_seed);
    for (victim, recoveries) in &kills.recoveries {
        let mut restored: Vec<f64> = recoveries.iter().map(|recovery| recovery.restore_ms).collect();
        println!(
            "{victim}: {} kills, restored after {:?} ms",
            recoveries.len(),
            quantile(&mut restored, 0.5)
        );
    }
    kills.violations.iter().for_each(|violation| eprintln!("{violation}"));
    let violations = random.violations
        + deaths.values().flat_map(BTreeMap::values).map(|cell| cell.violations).sum::<u64>()
        + kills.violations.len() as u64;
    println!("{violations} violations");
    if violations > 0 {
        return Ok(ExitCode::FAILURE);
    }
    if let Some(docs) = &arguments.docs {
        let command = format!(
            "cargo run --release -p headwater-chaos-tests --bin campaign -- --seeds {} --deaths {} --kills {} --first-seed {first_seed} --docs docs",
            arguments.seeds, arguments.deaths, arguments.kills
        );
        write(docs, &Campaign { command, cores, random, deaths, real: Real::from(&kills) })?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write(docs: &std::path::Path, campaign: &Campaign) -> anyhow::Result<()> {
    let path = docs.join("RELIABILITY.md");
    let document = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let document = with_campaign(&document, campaign)
        .with_context(|| format!("{} has no place for the campaign's results", path.display()))?;
    fs::write(docs.join("campaign.json"), serde_json::to_string_pretty(campaign)? + "\n")?;
    fs::write(&path, document)?;
    Ok(())
}

/// The other programs of this package, which are built beside this one.
fn binaries() -> anyhow::Result<Binaries> {
    let me = std::env::current_exe()?;
    let beside = |name: &str| me.with_file_name(name);
    let binaries = Binaries { server: beside("chaos_server"), oracle: beside("oracle") };
    ensure!(
        binaries.server.exists() && binaries.oracle.exists(),
        "expected chaos_server and oracle beside {}: build them with `cargo build --release -p headwater-chaos-tests --bins`",
        me.display()
    );
    Ok(binaries)
}
