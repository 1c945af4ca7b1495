//! `EXPLAIN`: the logical plan, the optimized one, and the job's operators with their changes and state.

use std::fmt::Write;

use crate::{
    planner::LogicalPlans,
    runtime::{Distribution, NodeId, NodeKind, StreamPlan},
};

/// The logical plans of one query.
pub fn logical(plans: &LogicalPlans) -> String {
    format!(
        "== Abstract Syntax Tree ==\n{}\n\n== Optimized Logical Plan ==\n{}\n",
        plans.initial.display_indent(),
        plans.optimized.display_indent()
    )
}

/// The operators of a job, the sinks first, each with its inputs below it.
pub fn physical(plan: &StreamPlan) -> String {
    let mut text = "== Optimized Execution Plan ==\n".to_owned();
    let is_input =
        |id: NodeId| plan.nodes.iter().any(|node| node.inputs.iter().any(|(input, _)| *input == id));
    (0..plan.nodes.len()).filter(|id| !is_input(*id)).for_each(|id| write_node(plan, id, 0, &mut text));
    text
}

fn write_node(plan: &StreamPlan, id: NodeId, depth: usize, text: &mut String) {
    let node = &plan.nodes[id];
    let indent = "   ".repeat(depth);
    let branch = if depth == 0 { "" } else { "+- " };
    let prefix = if depth == 0 { String::new() } else { indent[3..].to_owned() };
    let mut notes = Vec::new();
    if !matches!(node.kind, NodeKind::Sink(_)) {
        let mode = match (node.is_updating, node.update_before) {
            (false, _) => "I",
            (true, false) => "I,UA,D",
            (true, true) => "I,UB,UA,D",
        };
        notes.push(format!("changelogMode=[{mode}]"));
    }
    if !node.state.is_empty() {
        notes.push(format!("state=[{}]", node.state));
    }
    if let Some(parallelism) = node.parallelism {
        notes.push(format!("parallelism=[{parallelism}]"));
    }
    let notes = if notes.is_empty() { String::new() } else { format!(", {}", notes.join(", ")) };
    let _ = writeln!(text, "{prefix}{branch}{}{notes}", node.name);
    for (input, distribution) in &node.inputs {
        let exchange = match distribution {
            Distribution::Any | Distribution::Late => None,
            Distribution::Single => Some("Exchange(distribution=[single])".to_owned()),
            Distribution::Hash(columns) => {
                let schema = &plan.nodes[*input].schema;
                let names: Vec<&str> =
                    columns.iter().map(|column| schema.field(*column).name().as_str()).collect();
                Some(format!("Exchange(distribution=[hash[{}]])", names.join(", ")))
            }
        };
        match exchange {
            Some(exchange) => {
                let _ = writeln!(text, "{indent}+- {exchange}");
                write_node(plan, *input, depth + 2, text);
            }
            None => write_node(plan, *input, depth + 1, text),
        }
    }
}
