//! What a collector gets, with one of the tests' own.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use headwater_api::{LogBook, NewLine};
use headwater_coordinator::view::{
    CheckpointStatus, CheckpointView, ExceptionView, JobSummary, RecoveryView,
};
use headwater_core::{
    checkpoint::CheckpointFailure,
    execution::FailureKind,
    ids::{CheckpointId, JobId},
    job::JobStatus,
};
use serde_json::Value;

use super::{otlp::Collector, spans::Spans, *};

const DEADLINE: Duration = Duration::from_secs(30);

/// Answers requests with these statuses, one after another, and gives their paths and bodies.
fn collector(statuses: Vec<u16>) -> (Endpoint, Receiver<(String, Value)>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let endpoint = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let (requests, received) = channel();
    thread::spawn(move || {
        for status in statuses {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = Vec::new();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if line == "\r\n" {
                    break;
                }
                head.push(line.to_lowercase());
            }
            let length = head.iter().find_map(|line| line.strip_prefix("content-length:")).unwrap();
            let mut body = vec![0; length.trim().parse().unwrap()];
            reader.read_exact(&mut body).unwrap();
            assert!(head.iter().any(|line| line.starts_with("content-type: application/json")), "{head:?}");
            let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}");
            stream.write_all(answer.as_bytes()).unwrap();
            let path = head[0].split(' ').nth(1).unwrap().to_owned();
            if requests.send((path, serde_json::from_slice(&body).unwrap())).is_err() {
                return;
            }
        }
    });
    (endpoint, received)
}

fn text<'a>(attributes: &'a Value, key: &str) -> Option<&'a str> {
    let found = attributes.as_array().unwrap().iter().find(|attribute| attribute["key"] == key)?;
    found["value"].as_object().unwrap().values().next().unwrap().as_str()
}

#[test]
fn lines_reach_the_collector_once_it_can_take_them() {
    let (endpoint, received) = collector(vec![503, 200]);
    let book = LogBook::default();
    let fields = [("attempt".to_owned(), Value::from(3))].into();
    let job = Some("0123".to_owned());
    book.append(NewLine {
        at_ms: 1_700_000_000_123,
        level: "warn",
        message: "a task failed".to_owned(),
        job,
        fields,
        ..NewLine::default()
    });
    let (first, second) = thread::scope(|scope| {
        let (stop, stopped) = channel::<()>();
        let is_needed = move || stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty);
        scope.spawn(|| export_logs(&Collector::new(&endpoint), &book, is_needed));
        let received = (received.recv_timeout(DEADLINE).unwrap(), received.recv_timeout(DEADLINE).unwrap());
        drop(stop);
        received
    });
    assert_eq!(first, second, "what was refused for the time being comes again");
    let (path, body) = second;
    assert_eq!(path, "/v1/logs");
    let resource = &body["resourceLogs"][0];
    assert_eq!(text(&resource["resource"]["attributes"], "service.name"), Some("headwater"));
    let record = &resource["scopeLogs"][0]["logRecords"][0];
    assert_eq!(record["timeUnixNano"], "1700000000123000000");
    assert_eq!((&record["severityNumber"], &record["severityText"]), (&13.into(), &"WARN".into()));
    assert_eq!(record["body"]["stringValue"], "a task failed");
    assert_eq!(text(&record["attributes"], "headwater.job.id"), Some("0123"));
    assert_eq!(text(&record["attributes"], "attempt"), Some("3"), "integers of 64 bits are strings");
}

#[test]
fn every_ended_checkpoint_and_recovery_becomes_one_span() {
    let job = JobSummary {
        id: JobId::random(),
        name: "words".to_owned(),
        program: "words".to_owned(),
        status: JobStatus::Running,
        submitted_at_ms: 0,
        started_at_ms: None,
        ended_at_ms: None,
        restarts: 0,
        tasks: Vec::new(),
        failure: None,
        deletion: None,
    };
    let checkpoint = |id, status| CheckpointView {
        id: CheckpointId(id),
        status,
        triggered_at_ms: 5_000,
        duration_us: Some(1_500),
        acknowledged: 2,
        expected: 2,
        state_bytes: 10,
        new_bytes: 5,
        sync_us_max: 1,
        async_us_max: 2,
        alignment_us_max: 3,
        is_final: false,
        awaited: Vec::new(),
        subtasks: Arc::default(),
    };
    let mut checkpoints =
        vec![checkpoint(2, CheckpointStatus::InProgress), checkpoint(1, CheckpointStatus::Completed)];
    let exception = ExceptionView {
        at_ms: 9_000,
        actor: "v0-0".to_owned(),
        actor_name: "source".to_owned(),
        attempt: Some(0),
        kind: FailureKind::Panic,
        message: "broken".to_owned(),
        detected_after_us: None,
        recovery: Some(RecoveryView {
            restored_checkpoint: Some(CheckpointId(1)),
            tasks_restarted: 2,
            tasks: Vec::new(),
            records_replayed: None,
            running_after_us: Some(20_000),
            first_record_after_us: None,
            caught_up_after_us: None,
        }),
    };
    let mut spans = Spans::default();
    let made = spans.of(&job, &checkpoints, std::slice::from_ref(&exception));
    assert_eq!(
        made.iter().map(|span| span["name"].as_str().unwrap()).collect::<Vec<_>>(),
        ["checkpoint", "recovery"]
    );
    assert_eq!(
        (&made[0]["startTimeUnixNano"], &made[0]["endTimeUnixNano"]),
        (&"5000000000".into(), &"5001500000".into())
    );
    assert_eq!(text(&made[1]["attributes"], "exception.message"), Some("broken"));
    assert_eq!(
        (made[0]["traceId"].as_str().unwrap().len(), made[0]["spanId"].as_str().unwrap().len()),
        (32, 16)
    );
    assert_ne!(made[0]["traceId"], made[1]["traceId"]);
    checkpoints[0].status = CheckpointStatus::Failed(CheckpointFailure::TaskFailed);
    let made = spans.of(&job, &checkpoints, &[exception]);
    assert_eq!(made.len(), 1, "{made:?}");
    assert_eq!(made[0]["status"]["code"], 2);

    let (endpoint, received) = collector(vec![200]);
    Collector::new(&endpoint).send_spans(&made).unwrap();
    let (path, body) = received.recv_timeout(DEADLINE).unwrap();
    assert_eq!(
        (path.as_str(), &body["resourceSpans"][0]["scopeSpans"][0]["spans"][0]),
        ("/v1/traces", &made[0])
    );
}

#[test]
fn an_address_without_a_collector_behind_it_is_refused_at_the_start() {
    for wrong in ["", "collector", "https://collector:4318", "ftp://x"] {
        assert!(wrong.parse::<Endpoint>().is_err(), "{wrong}");
    }
}
