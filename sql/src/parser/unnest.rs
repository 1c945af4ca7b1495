//! `FROM t, UNNEST(t.tags) AS u (tag) JOIN …`: the comma binds less than JOIN, but what UNNEST takes is to its left.

use datafusion::sql::sqlparser::ast::{
    Join, JoinConstraint, JoinOperator, Select, TableFactor, TableWithJoins,
};

/// Lets an UNNEST behind a comma be joined first, if what follows it may as well be joined later.
pub(super) fn join_first(select: &mut Select) {
    let mut from: Vec<TableWithJoins> = Vec::new();
    for item in std::mem::take(&mut select.from) {
        let is_moved =
            is_unnest(&item.relation) && !item.joins.is_empty() && item.joins.iter().all(keeps_left);
        let mut before = std::mem::take(&mut from).into_iter();
        match before.next() {
            Some(mut first) if is_moved => {
                for other in before {
                    let other = match other.joins.as_slice() {
                        [] => other.relation,
                        _ => TableFactor::NestedJoin { table_with_joins: Box::new(other), alias: None },
                    };
                    first.joins.push(cross(other));
                }
                first.joins.push(cross(item.relation));
                first.joins.extend(item.joins);
                from.push(first);
            }
            first => from.extend(first.into_iter().chain(before).chain([item])),
        }
    }
    select.from = from;
}

fn is_unnest(factor: &TableFactor) -> bool {
    match factor {
        TableFactor::UNNEST { .. } => true,
        TableFactor::Table { name, args: Some(_), .. } => name.to_string().eq_ignore_ascii_case("UNNEST"),
        _ => false,
    }
}

/// Whether a join gives each row of its left side by itself, so that more columns to the left change nothing.
fn keeps_left(join: &Join) -> bool {
    matches!(
        join.join_operator,
        JoinOperator::Join(_)
            | JoinOperator::Inner(_)
            | JoinOperator::Left(_)
            | JoinOperator::LeftOuter(_)
            | JoinOperator::CrossJoin(_)
    )
}

fn cross(relation: TableFactor) -> Join {
    Join { relation, global: false, join_operator: JoinOperator::CrossJoin(JoinConstraint::None) }
}
