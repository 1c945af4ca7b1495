//! Random queries that mean the same in both dialects.

use rand::{Rng, SeedableRng, rngs::SmallRng, seq::IndexedRandom};

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Ty {
    Int,
    Real,
    Text,
    Bool,
}

pub(super) const TYPES: [Ty; 4] = [Ty::Int, Ty::Real, Ty::Text, Ty::Bool];

pub(super) type Scope = Vec<(String, Ty)>;

fn table_scope(qualifier: &str) -> Scope {
    [("id", Ty::Int), ("k", Ty::Int), ("v", Ty::Int), ("s", Ty::Text), ("x", Ty::Real), ("f", Ty::Bool)]
        .map(|(name, ty)| (format!("{qualifier}{name}"), ty))
        .to_vec()
}

pub(super) struct Queries {
    pub(super) rng: SmallRng,
    names: usize,
}

impl Queries {
    pub(super) fn new(seed: u64) -> Self {
        Self { rng: SmallRng::seed_from_u64(seed), names: 0 }
    }

    pub(super) fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_ratio(percent, 100)
    }

    pub(super) fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices.choose(&mut self.rng).copied().expect("there are choices")
    }

    fn name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }

    /// A query, and its columns.
    pub(super) fn query(&mut self, depth: u32) -> (String, Scope) {
        match self.rng.random_range(0..if depth == 0 { 3 } else { 14 }) {
            0..=2 => self.projection(depth),
            3..=5 => self.aggregation(depth),
            6..=7 => self.set_operation(depth),
            8 => self.top_n(),
            9 => self.over(),
            10..=11 => self.windowed(),
            12 => {
                let (inner, scope) = self.query(depth - 1);
                (format!("SELECT DISTINCT * FROM ({inner}) AS {}", self.name("q")), scope)
            }
            _ => self.scalar_sub_query(depth),
        }
    }

    /// What stands behind FROM, and its columns.
    fn from(&mut self, depth: u32) -> (String, Scope) {
        if depth == 0 || self.chance(40) {
            return (self.pick(&["t", "u"]).to_owned(), table_scope(""));
        }
        if self.chance(40) {
            let (query, scope) = self.query(depth - 1);
            return (format!("({query}) AS {}", self.name("q")), scope);
        }
        if self.chance(15) {
            let scope = [table_scope("t."), table_scope("u.")].concat();
            let kind = self.pick(&["JOIN", "LEFT JOIN", "FULL JOIN"]);
            let on = "t.k = u.k AND t.ts BETWEEN u.ts - INTERVAL '4' SECOND AND u.ts + INTERVAL '2' SECOND";
            return (format!("t {kind} u ON {on}"), scope);
        }
        let (left, left_scope) = self.query(depth - 1);
        let (right, right_scope) = self.query(depth - 1);
        let (l, r) = (self.name("l"), self.name("r"));
        let of = |scope: &Scope, name: &str| -> Scope {
            scope.iter().map(|(column, ty)| (format!("{name}.{column}"), *ty)).collect()
        };
        let (left_scope, right_scope) = (of(&left_scope, &l), of(&right_scope, &r));
        let both = [left_scope.clone(), right_scope.clone()].concat();
        let ty = *TYPES.choose(&mut self.rng).expect("there are types");
        let kind = self.pick(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
        let mut on = format!("{} = {}", self.expr(ty, &left_scope, 1), self.expr(ty, &right_scope, 1));
        if self.chance(30) {
            on = format!("{on} AND {}", self.expr(Ty::Bool, &both, 2));
        }
        (format!("({left}) AS {l} {kind} ({right}) AS {r} ON {on}"), both)
    }

    fn filter(&mut self, scope: &Scope, depth: u32) -> String {
        if !self.chance(50) {
            return String::new();
        }
        if depth == 0 || self.chance(70) {
            return format!(" WHERE {}", self.expr(Ty::Bool, scope, 3));
        }
        let (inner, inner_scope) = self.query(depth - 1);
        let name = self.name("i");
        let ty = *TYPES.choose(&mut self.rng).expect("there are types");
        let operator = self.pick(&["IN", "EXISTS", "NOT EXISTS"]);
        let inner_column = self.expr(ty, &inner_scope, 1);
        let outer = self.expr(ty, scope, 1);
        if operator == "IN" {
            format!(" WHERE {outer} IN (SELECT {inner_column} FROM ({inner}) AS {name})")
        } else {
            let column = inner_scope.choose(&mut self.rng).expect("a query has columns").clone();
            let same = self.expr(column.1, scope, 0);
            format!(
                " WHERE {operator} (SELECT 1 FROM ({inner}) AS {name} WHERE {name}.{} = {same})",
                column.0
            )
        }
    }

    fn projection(&mut self, depth: u32) -> (String, Scope) {
        let (from, scope) = self.from(depth);
        let filter = self.filter(&scope, depth);
        let mut out = Scope::new();
        let mut columns = Vec::new();
        for _ in 0..self.rng.random_range(1..4) {
            let ty = *TYPES.choose(&mut self.rng).expect("there are types");
            let name = self.name("c");
            columns.push(format!("{} AS {name}", self.expr(ty, &scope, 2)));
            out.push((name, ty));
        }
        (format!("SELECT {} FROM {from}{filter}", columns.join(", ")), out)
    }

    /// Aggregates with their names, and their types.
    fn aggregates(&mut self, scope: &Scope) -> (Vec<String>, Scope) {
        let mut columns = Vec::new();
        let mut out = Scope::new();
        for _ in 0..self.rng.random_range(1..4) {
            let ty = *TYPES.choose(&mut self.rng).expect("there are types");
            let distinct = if self.chance(20) { "DISTINCT " } else { "" };
            let argument = |queries: &mut Self, ty| queries.expr(ty, scope, 1);
            let (call, result) = match self.rng.random_range(0..6) {
                0 => ("COUNT(*)".to_owned(), Ty::Int),
                1 => (format!("COUNT({distinct}{})", argument(self, ty)), Ty::Int),
                2 => (format!("SUM({distinct}{})", argument(self, Ty::Int)), Ty::Int),
                3 => (format!("SUM({})", argument(self, Ty::Real)), Ty::Real),
                // A quotient would be rounded in another way by another order of what comes after it.
                4 => (format!("CAST(ROUND(AVG({}) * 1000) AS BIGINT)", argument(self, Ty::Real)), Ty::Int),
                _ => (format!("{}({})", self.pick(&["MIN", "MAX"]), argument(self, ty)), ty),
            };
            let filter = if self.chance(20) && !call.starts_with("CAST") {
                format!(" FILTER (WHERE {})", self.expr(Ty::Bool, scope, 1))
            } else {
                String::new()
            };
            let name = self.name("a");
            columns.push(format!("{call}{filter} AS {name}"));
            out.push((name, result));
        }
        (columns, out)
    }

    fn aggregation(&mut self, depth: u32) -> (String, Scope) {
        let (from, scope) = self.from(depth - 1);
        let filter = self.filter(&scope, depth - 1);
        let (mut columns, mut out) = self.aggregates(&scope);
        let mut keys = Vec::new();
        for _ in 0..self.rng.random_range(1..3) {
            let (key, ty) = scope.choose(&mut self.rng).expect("a query has columns").clone();
            if keys.contains(&key) {
                continue;
            }
            let name = self.name("g");
            columns.push(format!("{key} AS {name}"));
            out.push((name, ty));
            keys.push(key);
        }
        let having = if self.chance(20) { " HAVING COUNT(*) > 1" } else { "" };
        (
            format!("SELECT {} FROM {from}{filter} GROUP BY {}{having}", columns.join(", "), keys.join(", ")),
            out,
        )
    }

    fn set_operation(&mut self, depth: u32) -> (String, Scope) {
        let (left, scope) = self.query(depth - 1);
        let (from, inner) = self.from(depth - 1);
        let columns: Vec<String> = scope.iter().map(|(_, ty)| self.expr(*ty, &inner, 1)).collect();
        let operator = self.pick(&["UNION ALL", "UNION", "INTERSECT", "EXCEPT"]);
        let name = self.name("q");
        // Both sides with the same types.
        let as_type = |(index, (column, ty)): (usize, &(String, Ty))| {
            let sql = ["BIGINT", "DOUBLE", "STRING", "BOOLEAN"]
                [TYPES.iter().position(|known| known == ty).unwrap_or(0)];
            (
                format!("CAST({column} AS {sql}) AS {name}_{index}"),
                format!("CAST({} AS {sql})", columns[index]),
                (format!("{name}_{index}"), *ty),
            )
        };
        let mut left_columns = Vec::new();
        let mut right_columns = Vec::new();
        let mut out = Scope::new();
        for column in scope.iter().enumerate() {
            let (left, right, named) = as_type(column);
            left_columns.push(left);
            right_columns.push(right);
            out.push(named);
        }
        let text = format!(
            "SELECT * FROM (SELECT {} FROM ({left}) AS {} {operator} SELECT {} FROM {from}) AS {}",
            left_columns.join(", "),
            self.name("q"),
            right_columns.join(", "),
            self.name("q")
        );
        (text, out)
    }

    /// The order is one in which no two rows are equal.
    fn top_n(&mut self) -> (String, Scope) {
        let table = self.pick(&["t", "u"]);
        let order = self.pick(&[
            "v DESC NULLS LAST, id",
            "v ASC NULLS FIRST, id DESC",
            "id DESC",
            "s NULLS FIRST, id",
            "x DESC NULLS LAST, id",
        ]);
        let n = self.rng.random_range(1..4);
        let scope = vec![("id".to_owned(), Ty::Int), ("k".to_owned(), Ty::Int), ("x".to_owned(), Ty::Real)];
        if self.chance(30) {
            return (
                format!(
                    "SELECT * FROM (SELECT id, k, x FROM {table} ORDER BY {order} LIMIT {n}) AS {}",
                    self.name("q")
                ),
                scope,
            );
        }
        let partition = self.pick(&["PARTITION BY k ", "PARTITION BY s, f ", ""]);
        let (inner, rank) = (self.name("q"), self.pick(&["", ", CAST(n AS BIGINT) AS n"]));
        let text = format!(
            "SELECT id, k, x{rank} FROM (SELECT *, ROW_NUMBER() OVER ({partition}ORDER BY {order}) AS n FROM {table}) AS {inner} WHERE n <= {n}"
        );
        let number = (!rank.is_empty()).then(|| ("n".to_owned(), Ty::Int));
        (text, scope.into_iter().chain(number).collect())
    }

    fn over(&mut self) -> (String, Scope) {
        let frame = self.pick(&[
            "ROWS BETWEEN 2 PRECEDING AND CURRENT ROW",
            "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
            "RANGE BETWEEN INTERVAL '3' SECOND PRECEDING AND CURRENT ROW",
        ]);
        let partition = self.pick(&["PARTITION BY k ", "PARTITION BY s ", ""]);
        let call = self.pick(&["SUM(v)", "COUNT(*)", "MIN(x)", "MAX(v)", "COUNT(s)"]);
        let ty = if call == "MIN(x)" { Ty::Real } else { Ty::Int };
        let table = self.pick(&["t", "u"]);
        let name = self.name("o");
        let text = format!("SELECT id, {call} OVER ({partition}ORDER BY ts {frame}) AS {name} FROM {table}");
        (text, vec![("id".to_owned(), Ty::Int), (name, ty)])
    }

    /// An aggregation by windows, which DataFusion has to be told in other words.
    fn windowed(&mut self) -> (String, Scope) {
        let table = self.pick(&["t", "u"]);
        let step = self.rng.random_range(1..6);
        let count = self.rng.random_range(1..4);
        let size = step * count;
        let start = |length: i32| format!("date_bin(INTERVAL '{length} seconds', ts)");
        let (ours, theirs) = match self.rng.random_range(0..3) {
            0 => (
                format!("TUMBLE(TABLE {table}, DESCRIPTOR(ts), INTERVAL '{size}' SECOND)"),
                format!(
                    "SELECT *, {0} AS window_start, {0} + INTERVAL '{size} seconds' AS window_end FROM {table}",
                    start(size)
                ),
            ),
            1 => {
                let copies: Vec<String> = (0..count)
                    .map(|back| {
                        let start = format!("{} - INTERVAL '{} seconds'", start(step), back * step);
                        format!("SELECT *, {start} AS window_start, {start} + INTERVAL '{size} seconds' AS window_end FROM {table}")
                    })
                    .collect();
                (
                    format!(
                        "HOP(TABLE {table}, DESCRIPTOR(ts), INTERVAL '{step}' SECOND, INTERVAL '{size}' SECOND)"
                    ),
                    copies.join(" UNION ALL "),
                )
            }
            _ => {
                let copies: Vec<String> = (1..=count)
                    .map(|steps| {
                        let end = format!("{} + INTERVAL '{} seconds'", start(size), steps * step);
                        format!(
                            "SELECT *, {} AS window_start, {end} AS window_end FROM {table} WHERE ts < {end}",
                            start(size)
                        )
                    })
                    .collect();
                (
                    format!(
                        "CUMULATE(TABLE {table}, DESCRIPTOR(ts), INTERVAL '{step}' SECOND, INTERVAL '{size}' SECOND)"
                    ),
                    copies.join(" UNION ALL "),
                )
            }
        };
        let scope = table_scope("");
        let (mut columns, mut out) = self.aggregates(&scope);
        let mut keys = "window_start, window_end".to_owned();
        let end = self.name("w");
        columns.push(format!("CAST(EXTRACT(EPOCH FROM window_end) AS BIGINT) AS {end}"));
        out.push((end, Ty::Int));
        if self.chance(60) {
            let (key, ty) = scope.choose(&mut self.rng).expect("a table has columns").clone();
            let name = self.name("g");
            columns.push(format!("{key} AS {name}"));
            out.push((name, ty));
            keys = format!("{keys}, {key}");
        }
        let filter = if self.chance(30) {
            format!(" WHERE {}", self.expr(Ty::Bool, &scope, 2))
        } else {
            String::new()
        };
        let (columns, name) = (columns.join(", "), self.name("q"));
        (format!("SELECT {columns} FROM ⟦TABLE({ours})¦({theirs})⟧ AS {name}{filter} GROUP BY {keys}"), out)
    }

    fn scalar_sub_query(&mut self, depth: u32) -> (String, Scope) {
        let (inner, inner_scope) = self.query(depth - 1);
        let (column, ty) = inner_scope.choose(&mut self.rng).expect("a query has columns").clone();
        let call = self.pick(&["MIN", "MAX"]);
        let operator = self.pick(&["<", ">=", "="]);
        let table = self.pick(&["t", "u"]);
        let scope = table_scope("");
        let own = self.expr(ty, &scope, 0);
        let name = self.name("q");
        (
            format!(
                "SELECT * FROM (SELECT id, k, v, s, x, f FROM {table}) AS {name} WHERE {own} {operator} (SELECT {call}({column}) FROM ({inner}) AS {})",
                self.name("q")
            ),
            scope,
        )
    }
}
