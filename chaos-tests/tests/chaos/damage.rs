//! Checkpoints are damaged on the disk.

use anyhow::ensure;
use headwater_chaos_tests::{
    damage::{Damage, any_file, completed_checkpoints, remove_withdrawn},
    history::text,
    job::{BACKENDS, Job},
    run::Run,
};
use rand::seq::IndexedRandom;

use crate::promise;

const PASSED_OVER: &str = "is damaged and was passed over";

fn is_told_of_damage(run: &Run) -> bool {
    run.history().exceptions().iter().any(|exception| text(exception, "message").contains(PASSED_OVER))
}

/// Damages a file of the newest checkpoint. Whether there was one with another to go back to.
fn damage_newest(run: &mut Run) -> anyhow::Result<bool> {
    let [.., _, newest] = &completed_checkpoints(&run.checkpoints_folder()?)[..] else { return Ok(false) };
    let file = any_file(newest, &mut run.random)?;
    let damage = *Damage::ALL.choose(&mut run.random).expect("it is not empty");
    run.damage(&file, damage)?;
    Ok(true)
}

#[test]
fn a_new_process_passes_a_damaged_checkpoint_over_and_doubles_nothing() {
    promise(BACKENDS, |run| {
        run.start_server()?;
        run.submit(Job::new("keyed_sequences"))?;
        for round in 0..5 {
            if run.state()? == "FINISHED" {
                break;
            }
            run.wait_for_checkpoints_or_end(2)?;
            run.kill_server()?;
            let has_damaged = damage_newest(run)?;
            ensure!(has_damaged || round > 0, "the job ended before anything could be damaged");
            run.start_server()?;
            if has_damaged {
                run.wait_for("the damage to be told", |run, _| Ok(is_told_of_damage(run).then_some(())))?;
            }
        }
        run.wait_for_end("FINISHED")?;
        let withdrawn = remove_withdrawn(&run.path("output"))?;
        ensure!(withdrawn > 0, "the job fell back from what was committed, so something is withdrawn");
        run.judge(&[])
    });
}

#[test]
fn damage_under_a_running_job_ends_in_the_right_output_or_in_a_failure_that_says_so() {
    promise(BACKENDS, |run| {
        run.start_server()?;
        run.submit(Job::new("keyed_sequences"))?;
        for _ in 0..3 {
            // The job may have failed, or the checkpoint may be removed under our hands.
            let is_over = run.wait_for_checkpoints_or_end(2).is_err() || run.state()? == "FINISHED";
            if is_over || damage_newest(run).is_err() {
                break;
            }
            let actor = run.any_actor(&["operator"])?;
            if !run.kill(&actor)? {
                break;
            }
        }
        // What the newest checkpoint shares with later ones may be damaged in all of them.
        let job = run.wait_for_any_end()?;
        match text(&job, "state") {
            "FINISHED" => {
                remove_withdrawn(&run.path("output"))?;
                run.judge(&[])
            }
            _ => {
                let failure = text(&job, "failure");
                ensure!(failure.contains("no checkpoint is left to go on from"), "{failure}");
                Ok(())
            }
        }
    });
}

#[test]
fn a_job_whose_checkpoints_are_all_damaged_fails_and_says_what_can_be_done() {
    promise(BACKENDS, |run| {
        run.start_server()?;
        run.submit(Job::new("keyed_sequences"))?;
        run.wait_for_checkpoints(2)?;
        run.kill_server()?;
        for checkpoint in completed_checkpoints(&run.checkpoints_folder()?) {
            let damage = *Damage::ALL.choose(&mut run.random).expect("it is not empty");
            run.damage(&checkpoint.join("manifest"), damage)?;
        }
        run.start_server()?;
        let job = run.wait_for_end("FAILED")?;
        let failure = text(&job, "failure");
        ensure!(failure.contains("no checkpoint is left to go on from"), "{failure}");
        ensure!(failure.contains("from a copy"), "{failure}");
        ensure!(is_told_of_damage(run), "the damage was not told");
        Ok(())
    });
}
