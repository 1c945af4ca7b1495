//! A headless Chromium, driven over its DevTools pipe (NUL-separated JSON).

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_secs(60);
const PAUSE_BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// One page of a browser of its own.
pub struct Browser {
    process: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    session: Option<String>,
    last_id: u64,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Opens `url`.
    pub fn open(url: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        // DevTools reads from descriptor 3 and writes to 4; the shell puts our pipes there.
        let mut process = Command::new("sh")
            .arg("-c")
            .arg(
                "command -v chromium >/dev/null || exit 127; exec chromium --headless --no-sandbox --disable-gpu \
                 --disable-quic --no-first-run --disable-background-networking --disable-component-update \
                 --disable-sync --user-data-dir=\"$0\" --remote-debugging-pipe about:blank 3<&0 4>&1 >/dev/null 2>&1",
            )
            .arg(profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = process.stdin.take().unwrap();
        let output = process.stdout.take().unwrap();
        let (report, messages) = mpsc::channel();
        thread::spawn(move || {
            for message in BufReader::new(output).split(0) {
                let Ok(message) = message else { return };
                if report.send(serde_json::from_slice(&message).unwrap()).is_err() {
                    return;
                }
            }
        });
        let mut browser = Self { process, commands, messages, session: None, last_id: 0, _profile: profile };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attached =
            browser.call("Target.attachToTarget", json!({"targetId": target["targetId"], "flatten": true}));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        browser.call("Page.navigate", json!({"url": url}));
        browser
    }

    /// Waits until the JavaScript expression is true; fails with what the page shows instead.
    pub fn wait_for(&mut self, condition: &str) {
        let deadline = Instant::now() + DEADLINE;
        while self.evaluate(condition) != true {
            if Instant::now() >= deadline {
                let shown = self.evaluate("document.body.innerText");
                panic!(
                    "the page never came to `{condition}`; it shows:\n{}",
                    shown.as_str().unwrap_or_default()
                );
            }
            thread::sleep(PAUSE_BETWEEN_LOOKS);
        }
    }

    /// Waits until the page's visible text holds all of `texts`.
    pub fn wait_for_texts(&mut self, texts: &[&str]) {
        let condition = format!("{}.every((text) => document.body.innerText.includes(text))", json!(texts));
        self.wait_for(&condition);
    }

    /// The value of a JavaScript expression; null if it throws.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let answer = self.call("Runtime.evaluate", json!({"expression": expression, "returnByValue": true}));
        answer["result"]["value"].clone()
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.last_id += 1;
        let mut command = json!({"id": self.last_id, "method": method, "params": params});
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        let sent = self.commands.write_all(format!("{command}\0").as_bytes());
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let message = match self.messages.recv_timeout(left) {
                Ok(message) => message,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    panic!("chromium did not answer {method} within {DEADLINE:?}")
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    panic!("chromium ended ({sent:?}): install chromium, this test looks at the page with it")
                }
            };
            if message["id"] == self.last_id {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Reached only when the browser has ended already otherwise, which is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
