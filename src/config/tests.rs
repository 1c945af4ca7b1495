use std::net::IpAddr;

use super::{table::keys, *};

fn file(text: &str) -> anyhow::Result<Config> {
    Config::of(Some((Path::new("h.toml"), text)), &[], Vec::new())
}

fn variable(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn flags_go_before_the_environment_and_that_before_the_file() {
    let text = "rest.port = 1\n[rest]\nbind-address = \"127.0.0.2\"\n[execution.checkpointing]\ninterval = \"5 s\"\n";
    let text = text.replace("rest.port = 1\n", "").replace("[rest]", "[rest]\nport = 1");
    let variables =
        [variable("HEADWATER_REST_PORT", "2"), variable("HEADWATER_TASKMANAGER_NUMBEROFTASKSLOTS", "3")];
    let flags = vec![("rest.port".to_owned(), "4".to_owned(), "--port".to_owned())];
    let config = Config::of(Some((Path::new("h.toml"), &text)), &variables, flags).unwrap();
    assert_eq!((config.parsed(keys::PORT), config.parsed(keys::SLOTS)), (Some(4u16), Some(3usize)));
    assert_eq!(config.parsed(keys::BIND), Some("127.0.0.2".parse::<IpAddr>().unwrap()));
    assert_eq!(config.job_options().checkpointing.interval_ms, Some(5_000));
    let entries = config.entries();
    let origin = |key: &str| entries.iter().find(|entry| entry.key == key).unwrap().origin.clone();
    assert_eq!(
        ["rest.port", "rest.bind-address", "taskmanager.numberOfTaskSlots", "chaos.enabled"].map(origin),
        ["--port", "h.toml:3", "HEADWATER_TASKMANAGER_NUMBEROFTASKSLOTS", "default"]
    );
}

#[test]
fn everything_that_is_wrong_is_told_with_its_line() {
    let text = "rest.prot = 1\n\n\"rest.port\" = 70000\n[chaos]\nenabled = \"yes\"\n[state.backend]\ntype = \"disk\"\n\
                [data]\ndir = [\"a\", \"b\"]\n";
    let told = file(text).unwrap_err().to_string();
    for expected in [
        "h.toml:1: unknown option `rest.prot`: did you mean `rest.port`?",
        "h.toml:3: option `rest.port`: expected a whole number from 0 to 65535, found `70000`",
        "h.toml:5: option `chaos.enabled`: expected `true` or `false`, found `yes`",
        "h.toml:7: option `state.backend.type`: expected `rocksdb` or `hashmap`, found `disk`",
        "h.toml:9: option `data.dir`: expected one value, found a list",
    ] {
        assert!(told.contains(expected), "{expected}\nnot in\n{told}");
    }
    assert!(file("a = 1\nb == 2\n").unwrap_err().to_string().starts_with("h.toml:2: "));
}

#[test]
fn options_of_jobs_that_need_each_other_are_checked_together() {
    let told = file("restart-strategy.fixed-delay.attempts = 7").unwrap_err().to_string();
    assert!(told.starts_with("h.toml:1: ") && told.contains("`restart-strategy.type`"), "{told}");
    let config = file("[restart-strategy]\nfixed-delay.attempts = 7\ntype = \"fixed-delay\"").unwrap();
    assert_eq!(
        config.job_options().restart,
        headwater_core::options::RestartOptions::FixedDelay { attempts: 7, delay_ms: 1_000 }
    );
}

#[test]
fn lists_are_arrays_in_the_file_and_have_commas_elsewhere() {
    let config = file("security.allowed-paths = [\"/a\", \"/b,c\"]").unwrap();
    assert_eq!(config.list(keys::ALLOWED_PATHS).unwrap(), ["/a", "/b,c"]);
    let variables = [variable("HEADWATER_SECURITY_ALLOWED_PATHS", "/a, /b")];
    let config = Config::of(None, &variables, Vec::new()).unwrap();
    assert_eq!(config.list(keys::ALLOWED_PATHS).unwrap(), ["/a", "/b"]);
    assert_eq!(Config::default().list(keys::ALLOWED_PATHS), None);
    assert_eq!(file("security.allowed-paths = []").unwrap().list(keys::ALLOWED_PATHS), Some(Vec::new()));
}

#[test]
fn a_slip_in_a_variable_is_told_and_others_variables_are_left_alone() {
    let of = |name: &str| Config::of(None, &[variable(name, "tcp://10.0.0.1:80")], Vec::new());
    let told = of("HEADWATER_SECURITY_ALLOWED_PATH").unwrap_err().to_string();
    assert!(told.contains("did you mean `HEADWATER_SECURITY_ALLOWED_PATHS`?"), "{told}");
    for others in ["HEADWATER_PORT", "HEADWATER_SERVICE_HOST", "HEADWATER_TOKEN"] {
        of(others).unwrap();
    }
}

#[test]
fn what_is_secret_is_not_shown() {
    let flag = |key: &str, value: &str| vec![(key.to_owned(), value.to_owned(), format!("-D {key}"))];
    let shown = |key: &str, value: &str| {
        let config = Config::of(None, &[], flag(key, value)).unwrap();
        config.entries().into_iter().find(|entry| entry.key == key).unwrap().value
    };
    let collector = shown("otel.endpoint", "http://me:pass@collector:4318/v1");
    assert_eq!(collector, "http://******@collector:4318/v1");
    assert_eq!(shown("security.tokens-file", "/etc/me@host"), "/etc/me@host");
    let told = Config::of(None, &[], flag("otel.endpoint", "ftp://me:pass@h")).unwrap_err().to_string();
    assert!(told.contains("ftp://******@h") && !told.contains("pass"), "{told}");
}
