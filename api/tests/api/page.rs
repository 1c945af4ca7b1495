//! What the web page promises, looked at with a browser.

use crate::{browser::Browser, http::TestServer};

#[test]
fn the_overview_shows_jobs_with_their_states_and_follows_them() {
    let server = TestServer::start(false);
    let mut page = Browser::open(&format!("http://{}/", server.address));
    page.wait_for_texts(&[
        "Socket word count",
        "RUNNING",
        "Nightly totals",
        "FINISHED",
        "no space left",
        "live",
    ]);
    let [running, ..] = server.fake.ids();
    server.send("PATCH", &format!("/api/v1/jobs/{running}?mode=cancel"), &[], "");
    page.wait_for_texts(&["No job is running", "CANCELED"]);
}

#[test]
fn a_job_s_page_shows_its_actors_and_one_that_is_killed_there_comes_back_counted() {
    let server = TestServer::start(true);
    let [running, ..] = server.fake.ids();
    let mut page = Browser::open(&format!("http://{}/jobs/{running}", server.address));
    page.wait_for_texts(&[
        "Socket word count",
        "job-master",
        "checkpoint-coordinator",
        "v0-0",
        "v2-1",
        "window count",
    ]);
    page.wait_for_texts(&["restored checkpoint 30", "COMPLETED", "HASH", "Malformed"]);
    page.wait_for("document.querySelector('.chart canvas') !== null");
    page.wait_for("document.querySelector('[aria-label=\"Kill v2-1\"]') !== null");
    page.evaluate("document.querySelector('[aria-label=\"Kill v2-1\"]').click()");
    page.wait_for_texts(&["killed v2-1", "last died of: killed on purpose", "1 restart"]);
}

#[test]
fn a_job_that_is_not_there_is_said_so() {
    let server = TestServer::start(false);
    let mut page = Browser::open(&format!("http://{}/jobs/nonsense", server.address));
    page.wait_for_texts(&["Unknown job", "`nonsense` is not a job id", "nothing to follow"]);
}

#[test]
fn without_chaos_the_page_offers_no_kill() {
    let server = TestServer::start(false);
    let [running, ..] = server.fake.ids();
    let mut page = Browser::open(&format!("http://{}/jobs/{running}", server.address));
    page.wait_for_texts(&["checkpoint-coordinator", "Cancel job"]);
    assert_eq!(page.evaluate("document.querySelectorAll('[aria-label^=Kill]').length"), 0);
}

#[test]
fn a_program_is_submitted_from_its_form_and_refusals_are_shown() {
    let server = TestServer::start(false);
    let mut page = Browser::open(&format!("http://{}/", server.address));
    page.wait_for_texts(&["socket-word-count", "generates records and counts them"]);
    let fill = |port: &str, name: &str, options: &str| {
        format!(
            "const form = document.querySelector('details form');
             form.parentElement.open = true;
             form.elements['arg:port'].value = '{port}';
             form.elements['job:name'].value = '{name}';
             form.elements['job:options'].value = '{options}';
             form.requestSubmit(); true"
        )
    };
    page.evaluate(&format!("{{ {} }}", fill("9000", "x", "state.backend.typ: hashmap")));
    page.wait_for_texts(&["did you mean `state.backend.type`?"]);
    // What users type is text wherever it is shown.
    page.evaluate(&format!(
        "{{ {} }}",
        fill("9000", "<b id=injected>Bold</b>", "state.backend.type: hashmap")
    ));
    page.wait_for_texts(&["<b id=injected>Bold</b>", "hashmap", "Supervision tree"]);
    assert_eq!(page.evaluate("document.getElementById('injected')"), serde_json::Value::Null);
    assert_eq!(page.evaluate("location.pathname.startsWith('/jobs/')"), true);
}

#[test]
fn a_lost_server_is_told_and_found_again() {
    let mut server = TestServer::start(false);
    let mut page = Browser::open(&format!("http://{}/", server.address));
    page.wait_for_texts(&["live", "Socket word count"]);
    server.stop();
    page.wait_for_texts(&["disconnected, retrying", "Socket word count"]);
    server.start_again();
    page.wait_for("document.querySelector('.connection').innerText === 'live'");
}
