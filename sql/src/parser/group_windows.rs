//! Windows in GROUP BY, which Flink had before it had them as table functions: `GROUP BY TUMBLE(ts, size)` becomes a query over the
//! table function, and `TUMBLE_START(ts, size)` its `window_start`.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident, Query, Select,
    SelectItem, SetExpr, TableAlias, TableFactor, TableWithJoins, VisitMut, WildcardAdditionalOptions,
    WindowSpec, WindowType, visit_expressions_mut,
};

use super::{constructs::call, normalize::begin};
use crate::error::SqlError;

const WINDOWS: [&str; 3] = ["TUMBLE", "HOP", "SESSION"];

/// What is asked of a window, and the column of the table function that it is.
const PROPERTIES: [(&str, &str); 4] = [
    ("START", "window_start"),
    ("END", "window_end"),
    ("ROWTIME", "window_time"),
    ("PROCTIME", "window_time"),
];

/// Rewrites a SELECT that is grouped by a window; leaves others as they are.
pub(super) fn rewrite(select: &mut Select) -> Result<(), SqlError> {
    let GroupByExpr::Expressions(keys, _) = &mut select.group_by else { return Ok(()) };
    let Some(place) = keys.iter().position(|key| window_name(key).is_some()) else { return Ok(()) };
    let window = keys.remove(place);
    let Some(name) = window_name(&window) else { return Ok(()) };
    let refused = |message: &str| SqlError::new(format!("{name} in GROUP BY {message}")).at(begin(&window));
    let mut arguments = arguments(&window).into_iter();
    let Some(time) = arguments.next().as_ref().and_then(column) else {
        return Err(
            refused("takes a column and intervals").hint(format!("expected {name}(time column, INTERVAL …)"))
        );
    };
    let [from] = select.from.as_slice() else {
        return Err(refused("takes one table in FROM").hint("put the join into a sub-query"));
    };
    if !from.joins.is_empty() {
        return Err(refused("takes a table without JOIN in FROM").hint("put the join into a sub-query"));
    }
    let spec = WindowSpec {
        window_name: None,
        partition_by: keys.clone(),
        order_by: Vec::new(),
        window_frame: None,
    };
    let mut columns = vec!["window_start", "window_end"];
    let mut asked = Vec::new();
    columns_of_window(&mut select.projection, &mut asked);
    columns_of_window(&mut select.having, &mut asked);
    if asked.contains(&"window_time") {
        columns.push("window_time");
    }
    keys.extend(columns.into_iter().map(|column| Expr::Identifier(Ident::new(column))));

    let alias = alias_of(&from.relation);
    let mut rows = select.clone();
    rows.projection = vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())];
    rows.group_by = GroupByExpr::Expressions(Vec::new(), Vec::new());
    rows.having = None;
    rows.distinct = None;
    select.selection = None;
    let mut table = call("TABLE", vec![Expr::Subquery(Box::new(query(rows)))]);
    if let Expr::Function(table) = &mut table
        && name == "SESSION"
        && !spec.partition_by.is_empty()
    {
        table.over = Some(WindowType::WindowSpec(spec));
    }
    let descriptor = call("DESCRIPTOR", vec![Expr::Identifier(time)]);
    let expr = call(&name, [table, descriptor].into_iter().chain(arguments).collect());
    select.from =
        vec![TableWithJoins { relation: TableFactor::TableFunction { expr, alias }, joins: Vec::new() }];
    Ok(())
}

/// `TUMBLE`, `HOP` or `SESSION` if an expression is a call of it.
fn window_name(expr: &Expr) -> Option<String> {
    let Expr::Function(Function { name, .. }) = expr else { return None };
    let name = name.to_string().to_uppercase();
    WINDOWS.contains(&name.as_str()).then_some(name)
}

/// Puts the columns of a window for the functions that ask for them, and tells which.
fn columns_of_window(tree: &mut impl VisitMut, asked: &mut Vec<&'static str>) {
    let _ = visit_expressions_mut(tree, |expr| {
        if let Expr::Function(Function { name, .. }) = expr {
            let name = name.to_string().to_uppercase();
            let property = name.split_once('_').filter(|(window, _)| WINDOWS.contains(window));
            let column =
                property.and_then(|(_, wanted)| PROPERTIES.iter().find(|(known, _)| *known == wanted));
            if let Some((_, column)) = column {
                asked.push(column);
                *expr = Expr::Identifier(Ident::new(*column));
            }
        }
        ControlFlow::<()>::Continue(())
    });
}

fn arguments(function: &Expr) -> Vec<Expr> {
    let Expr::Function(Function { args: FunctionArguments::List(list), .. }) = function else {
        return Vec::new();
    };
    let expr = |argument: &FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    list.args.iter().filter_map(expr).collect()
}

/// The name of a column, without its table's.
fn column(expr: &Expr) -> Option<Ident> {
    match expr {
        Expr::Identifier(name) => Some(name.clone()),
        Expr::CompoundIdentifier(parts) => parts.last().cloned(),
        _ => None,
    }
}

/// The name by which the columns of what is in FROM may be called.
fn alias_of(relation: &TableFactor) -> Option<TableAlias> {
    match relation {
        TableFactor::Table { alias: Some(alias), .. }
        | TableFactor::Derived { alias: Some(alias), .. }
        | TableFactor::TableFunction { alias: Some(alias), .. } => {
            // Its columns have their names in the sub-query already.
            Some(TableAlias { columns: Vec::new(), ..alias.clone() })
        }
        TableFactor::Table { name, .. } => {
            let name = name.0.last()?.as_ident()?.clone();
            Some(TableAlias { explicit: true, name, columns: Vec::new(), at: None })
        }
        _ => None,
    }
}

fn query(select: Select) -> Query {
    Query {
        with: None,
        body: Box::new(SetExpr::Select(Box::new(select))),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}
