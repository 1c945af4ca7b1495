//! The names of a query's columns, as in Flink: `SELECT b, b` gives `b` and `b0`, and what has no name gets one by its place, `EXPR$0`.

use std::{collections::HashSet, ops::ControlFlow};

use datafusion::sql::sqlparser::ast::{Expr, Ident, Query, Select, SelectItem, VisitMut, VisitorMut};

/// Gives each column a name of its own, in the query and in all queries within it.
pub fn make_distinct(query: &mut Query) {
    let _ = query.visit(&mut DistinctNames);
}

struct DistinctNames;

impl VisitorMut for DistinctNames {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let mut taken: HashSet<String> = select.projection.iter().filter_map(name_of).collect();
        let mut seen = HashSet::new();
        for (place, item) in select.projection.iter_mut().enumerate() {
            let name = match (name_of(item), &item) {
                (Some(name), _) if seen.insert(name.clone()) => continue,
                (Some(name), _) => name,
                (None, SelectItem::UnnamedExpr(_)) => format!("EXPR${place}"),
                _ => continue,
            };
            let numbered = (0..).map(|number| format!("{name}{number}"));
            if let Some(name) =
                std::iter::once(name.clone()).chain(numbered).find(|name| !taken.contains(name))
            {
                taken.insert(name.clone());
                rename(item, Ident::with_quote('`', name));
            }
        }
        ControlFlow::Continue(())
    }
}

/// The name that a column gets by itself; expressions have none.
fn name_of(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
        SelectItem::UnnamedExpr(Expr::Identifier(name)) => Some(name.value.clone()),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(names)) => {
            names.last().map(|name| name.value.clone())
        }
        _ => None,
    }
}

fn rename(item: &mut SelectItem, alias: Ident) {
    match item {
        SelectItem::ExprWithAlias { alias: old, .. } => *old = alias,
        SelectItem::UnnamedExpr(expr) => {
            let expr = expr.clone();
            *item = SelectItem::ExprWithAlias { expr, alias };
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parser::{StatementKind, parse_script};

    #[test]
    fn repeated_names_get_numbers() {
        for (text, expected) in [
            ("SELECT b, b, b FROM t", "SELECT b, b AS `b0`, b AS `b1` FROM t"),
            ("SELECT l.id, r.id, id0 FROM t", "SELECT l.id, r.id AS `id1`, id0 FROM t"),
            ("SELECT 1 AS x, 2 AS x", "SELECT 1 AS x, 2 AS `x0`"),
            ("SELECT COUNT(*), COUNT(*) FROM t", "SELECT COUNT(*) AS `EXPR$0`, COUNT(*) AS `EXPR$1` FROM t"),
            ("SELECT a FROM (SELECT a, a FROM t)", "SELECT a FROM (SELECT a, a AS `a0` FROM t)"),
            ("SELECT a, 1, `EXPR$0` FROM t", "SELECT a, 1 AS `EXPR$1`, `EXPR$0` FROM t"),
            ("SELECT *, 2 FROM t", "SELECT *, 2 AS `EXPR$1` FROM t"),
            ("SELECT 1, `EXPR$0` FROM t", "SELECT 1 AS `EXPR$00`, `EXPR$0` FROM t"),
        ] {
            let Ok([statement]) = <[_; 1]>::try_from(parse_script(text).expect(text)) else {
                panic!("{text}")
            };
            let StatementKind::Query(mut query) = statement.kind else { panic!("{text}") };
            make_distinct(&mut query);
            assert_eq!(query.to_string(), expected);
        }
    }
}
