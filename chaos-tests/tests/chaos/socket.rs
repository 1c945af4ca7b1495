//! A source that cannot rewind is exactly once from its journal on.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use headwater_chaos_tests::{
    damage::{Damage, completed_checkpoints},
    job::{BACKENDS, Backend, Job},
    line_server::LineServer,
    oracle::committed,
    run::Run,
};

use crate::promise;

pub(crate) fn submit(run: &mut Run, lines: &LineServer) -> anyhow::Result<()> {
    let args = vec![("port", lines.port().into())];
    run.submit(Job { count: 0, args, ..Job::new("socket_lines") })
}

/// The numbers of the committed lines by connection. Each must be there once.
fn numbers_by_connection(run: &Run) -> anyhow::Result<BTreeMap<usize, Vec<u64>>> {
    let (lines, _) = committed(&run.path("output"))?;
    let mut numbers: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
    for (line, times) in lines {
        ensure!(times == 1, "the line `{line}` is there {times} times");
        let (connection, number) =
            line.split_once(' ').with_context(|| format!("a strange line: `{line}`"))?;
        numbers.entry(connection.parse()?).or_default().push(number.parse()?);
    }
    Ok(numbers)
}

/// Waits until the connection that the job has now was sent some lines.
fn wait_for_lines(run: &mut Run, lines: &LineServer) -> anyhow::Result<()> {
    run.wait_until_running()?;
    let (connections, sent) = (lines.sent().len(), lines.sent().last().copied().unwrap_or(0));
    run.wait_for("lines to flow", |_, _| {
        let now = lines.sent();
        let grown = if now.len() == connections { sent + 50 } else { 50 };
        Ok((now.last() >= Some(&grown)).then_some(()))
    })
}

/// Stops the lines, waits until the last connection's are all committed, and compares.
pub(crate) fn compare(run: &mut Run, lines: &LineServer) -> anyhow::Result<()> {
    wait_for_lines(run, lines)?;
    lines.pause();
    let sent = lines.sent();
    let last = sent.len() - 1;
    run.wait_for("the last connection's lines", |run, _| {
        let written = numbers_by_connection(run)?;
        Ok((written.get(&last).map(Vec::len) == Some(sent[last] as usize)).then_some(()))
    })?;
    run.cancel()?;
    run.wait_for_end("CANCELED")?;
    for (connection, mut numbers) in numbers_by_connection(run)? {
        numbers.sort_unstable();
        ensure!(
            numbers.len() as u64 <= sent[connection],
            "connection {connection} was sent {}",
            sent[connection]
        );
        let gap = (0..).zip(&numbers).find(|(expected, number)| expected != *number);
        ensure!(gap.is_none(), "connection {connection} has a gap at {gap:?} of {}", numbers.len());
    }
    Ok(())
}

#[test]
fn every_line_that_was_read_is_written_once_whichever_actor_dies() {
    promise(&[Backend::RocksDb], |run| {
        let lines = LineServer::start()?;
        run.start_server()?;
        submit(run, &lines)?;
        for kind in ["source", "sink", "source", "job-master"] {
            wait_for_lines(run, &lines)?;
            run.pause(0..200);
            let actor = run.any_actor(&[kind])?;
            ensure!(run.kill(&actor)?, "the job ended before its {kind} could be killed");
        }
        compare(run, &lines)
    });
}

#[test]
fn every_line_that_was_journaled_is_written_once_though_the_newest_checkpoint_is_damaged() {
    promise(&[Backend::HashMap], |run| {
        let lines = LineServer::start()?;
        run.start_server()?;
        submit(run, &lines)?;
        for _ in 0..3 {
            wait_for_lines(run, &lines)?;
            run.wait_for_checkpoints(2)?;
            run.kill_server()?;
            let [.., _, newest] = &completed_checkpoints(&run.checkpoints_folder()?)[..] else {
                bail!("two checkpoints were completed")
            };
            run.damage(&newest.join("manifest"), Damage::Flip)?;
            run.start_server()?;
        }
        compare(run, &lines)
    });
}

#[test]
fn every_line_that_was_journaled_is_written_once_though_the_process_is_killed() {
    promise(BACKENDS, |run| {
        let lines = LineServer::start()?;
        run.start_server()?;
        submit(run, &lines)?;
        for _ in 0..2 {
            wait_for_lines(run, &lines)?;
            run.pause(0..200);
            run.kill_server()?;
            run.start_server()?;
        }
        compare(run, &lines)
    });
}
