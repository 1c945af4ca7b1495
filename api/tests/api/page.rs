//! What the web page promises over the real server, looked at with a browser; what it promises beyond that is in
//! `web/tests`.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use crate::http::TestServer;

/// Plays a scenario of `web/tests/browser/real.mjs`. What it asks for while it waits is done by `act`.
pub fn play(scenario: &str, address: &str, mut act: impl FnMut(&str)) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/tests/browser/real.mjs");
    let mut player = Command::new("node")
        .arg(script)
        .args([scenario, &format!("http://{address}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node is needed, which scripts/setup --tests installs");
    let mut answers = player.stdin.take().unwrap();
    for asked in BufReader::new(player.stdout.take().unwrap()).lines() {
        act(&asked.unwrap());
        writeln!(answers, "done").unwrap();
    }
    let status = player.wait().unwrap();
    assert!(status.success(), "`{scenario}` ended with {status}; why stands above");
}

fn play_on(scenario: &str, server: &TestServer) {
    play(scenario, &server.address.to_string(), |asked| panic!("nothing is to be done for `{asked}`"));
}

#[test]
fn the_overview_shows_jobs_with_their_states_and_follows_them() {
    let server = TestServer::start(false);
    let [running, ..] = server.fake.ids();
    play("overview", &server.address.to_string(), |asked| {
        assert_eq!(asked, "cancel");
        server.send("PATCH", &format!("/api/v1/jobs/{running}?mode=cancel"), &[], "");
    });
}

#[test]
fn a_job_s_page_shows_its_actors_and_one_that_is_killed_there_comes_back_counted() {
    play_on("job", &TestServer::start(true));
}

#[test]
fn the_stand_in_that_the_page_is_tested_with_answers_as_the_server_does() {
    play_on("contract", &TestServer::start(false));
}

#[test]
fn a_job_that_is_not_there_is_said_so() {
    play_on("unknown", &TestServer::start(false));
}

#[test]
fn without_chaos_the_page_offers_no_kill() {
    play_on("quiet", &TestServer::start(false));
}

#[test]
fn a_program_is_submitted_from_its_form_and_refusals_are_shown() {
    play_on("submit", &TestServer::start(false));
}

#[test]
fn a_lost_server_is_told_and_found_again() {
    let mut server = TestServer::start(false);
    let address = server.address.to_string();
    play("lost", &address, |asked| match asked {
        "stop" => server.stop(),
        "start" => server.start_again(),
        _ => panic!("nothing is to be done for `{asked}`"),
    });
}
