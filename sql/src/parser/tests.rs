use super::*;
#[test]
fn x() {
    parse_script("SELECT 1").unwrap();
}
