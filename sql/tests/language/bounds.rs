//! Scripts that would take all of the stack, or for ever, are refused.

use anyhow::Result;
use headwater_core::options::JobOptions;
use headwater_sql::{deep::on_deep_stack, session::Session};

/// What is said of a script, if it is refused.
fn refusal(script: String) -> Result<Option<String>> {
    let execute = || Session::new(JobOptions::default()).execute_script(&script).err();
    Ok(on_deep_stack(execute)?.map(|error| error.message))
}

/// Views, each of which takes the one before it, as `query` says.
fn views(count: usize, query: impl Fn(&str) -> String) -> String {
    let first = "CREATE TEMPORARY VIEW v0 AS SELECT * FROM (VALUES (1), (2)) AS t (a);".to_owned();
    let others = (1..=count)
        .map(|number| format!("CREATE TEMPORARY VIEW v{number} AS {};", query(&format!("v{}", number - 1))));
    std::iter::once(first).chain(others).collect()
}

fn joined(name: &str) -> String {
    format!("SELECT x.a FROM {name} AS x JOIN {name} AS y ON x.a = y.a")
}

#[test]
fn views_in_views_are_planned_to_a_depth_and_refused_behind_it() -> Result<()> {
    let plain = |name: &str| format!("SELECT a + 1 AS a FROM {name}");
    assert_eq!(refusal(views(30, plain) + "SELECT * FROM v30;")?, None);
    let refused = refusal(views(40, plain) + "SELECT * FROM v40;")?;
    assert!(refused.as_ref().is_some_and(|message| message.contains("more than 32 deep")), "{refused:?}");
    assert_eq!(refusal(views(6, joined) + "SELECT * FROM v6;")?, None);
    Ok(())
}

#[test]
fn what_doubles_with_each_step_is_refused() -> Result<()> {
    let refused = refusal(views(20, joined) + "SELECT * FROM v20;")?;
    assert!(refused.as_ref().is_some_and(|message| message.contains("steps")), "{refused:?}");
    let queries: Vec<String> = std::iter::once("w0 AS (SELECT 1 AS a)".to_owned())
        .chain((1..=20).map(|number| format!("w{number} AS ({})", joined(&format!("w{}", number - 1)))))
        .collect();
    let refused = refusal(format!("WITH {} SELECT * FROM w20;", queries.join(", ")))?;
    assert!(refused.as_ref().is_some_and(|message| message.contains("steps")), "{refused:?}");
    Ok(())
}

#[test]
fn operators_behind_operators_are_planned_and_too_many_refused_parentheses_or_not() -> Result<()> {
    let chain = |first: &str, count: usize| format!("({first}{})", " + 1".repeat(count));
    assert_eq!(refusal(format!("SELECT {} FROM (VALUES (1)) AS t (a);", chain("a", 900)))?, None);
    let nested = chain(&chain(&chain("a", 700), 700), 700);
    let refused = refusal(format!("SELECT {nested} FROM (VALUES (1)) AS t (a);"))?;
    assert!(refused.as_ref().is_some_and(|message| message.contains("operators in a row")), "{refused:?}");
    Ok(())
}
