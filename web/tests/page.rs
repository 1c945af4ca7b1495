//! What the web page promises, looked at with a browser: the files `browser/*.test.mjs`, which say what that is.

use std::{path::Path, process::Command};

#[test]
fn the_page_keeps_what_it_promises() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    let output = Command::new("node")
        .arg("--test")
        .args(["format.test.mjs", "layout.test.mjs", "page.test.mjs"].map(|tests| folder.join(tests)))
        .output()
        .expect("node is needed, which scripts/setup --tests installs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(!told.contains("# pass 0"), "no test was run:\n{told}");
}
