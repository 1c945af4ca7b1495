//! Random queries.

use rand::{Rng, seq::IndexedRandom};

use super::{Column, Grammar, Scope, Ty, column, qualified, table_scope};

impl Grammar {
    /// A query and its columns.
    pub(super) fn query(&mut self, depth: u32) -> (String, Scope) {
        let (mut text, scope) = self.select(depth);
        if depth > 1 && self.chance(12) {
            let operator =
                self.pick(&["UNION ALL", "UNION", "INTERSECT", "EXCEPT", "INTERSECT ALL", "EXCEPT ALL"]);
            let other = if self.chance(70) {
                let (from, inner) = self.from(depth - 1);
                let columns: Vec<String> =
                    scope.iter().map(|column| self.expr(column.ty, &inner, 1)).collect();
                format!("SELECT {} FROM {from}", columns.join(", "))
            } else {
                self.select(depth - 1).0
            };
            text = format!("{text} {operator} {other}");
        }
        if self.chance(12) {
            let column = self.column(&scope);
            let order = self.pick(&["", " DESC", " ASC NULLS FIRST", ", 1"]);
            text = format!("{text} ORDER BY {column}{order}");
        }
        if self.chance(8) {
            text =
                format!("{text} LIMIT {}", self.pick(&["0", "1", "10", "5 OFFSET 2", "ALL", "-1", "1 + 1"]));
        }
        if depth > 1 && self.chance(6) {
            let (inner, _) = self.select(depth - 1);
            text = format!("WITH cte AS ({inner}) {}", text.replacen("FROM t ", "FROM cte ", 1));
        }
        (text, scope)
    }

    fn select(&mut self, depth: u32) -> (String, Scope) {
        match self.rng.random_range(0..20) {
            0..=4 => self.aggregation(depth),
            5..=6 => self.windowed(depth),
            7 => self.ranked(depth),
            8 => self.over(depth),
            9 => {
                let rows: Vec<String> = (0..3)
                    .map(|_| format!("({}, {})", self.literal(Ty::Int), self.literal(Ty::Text)))
                    .collect();
                let scope = vec![column("i", Ty::Int), column("j", Ty::Text)];
                (format!("SELECT i, j FROM (VALUES {}) AS vals (i, j)", rows.join(", ")), scope)
            }
            _ => self.projection(depth),
        }
    }

    fn projection(&mut self, depth: u32) -> (String, Scope) {
        let (from, scope) = self.from(depth);
        let filter = self.filter("WHERE", &scope, depth);
        if self.chance(15) {
            return (format!("SELECT * FROM {from}{filter}"), scope);
        }
        let distinct = if self.chance(8) { "DISTINCT " } else { "" };
        let mut columns = Vec::new();
        let mut out = Scope::new();
        for _ in 0..self.rng.random_range(1..4) {
            let ty = self.ty();
            let name = self.alias("c");
            columns.push(format!("{} AS {name}", self.expr(ty, &scope, 3)));
            out.push(Column { name, ty });
        }
        (format!("SELECT {distinct}{} FROM {from}{filter}", columns.join(", ")), out)
    }

    fn filter(&mut self, clause: &str, scope: &Scope, depth: u32) -> String {
        if !self.chance(40) {
            return String::new();
        }
        let condition = match self.rng.random_range(0..12) {
            0 if depth > 1 => {
                let operator = self.pick(&["IN", "NOT IN", "= ", "> ALL", "= ANY"]);
                let (query, _) = self.aggregation(depth - 1);
                format!(
                    "{} {operator} (SELECT a FROM ({query}) AS {})",
                    self.expr(Ty::Int, scope, 1),
                    self.alias("q")
                )
            }
            1 if depth > 1 => {
                let (from, inner) = self.from(depth - 1);
                let both: Scope = scope.iter().chain(&inner).cloned().collect();
                let operator = self.pick(&["EXISTS", "NOT EXISTS"]);
                format!("{operator} (SELECT 1 FROM {from} WHERE {})", self.expr(Ty::Bool, &both, 2))
            }
            _ => self.expr(Ty::Bool, scope, 3),
        };
        format!(" {clause} {condition}")
    }

    fn aggregate(&mut self, scope: &Scope) -> String {
        let name = self.aggregates.choose(&mut self.rng).expect("there are some").to_uppercase();
        let distinct = if self.chance(15) { "DISTINCT " } else { "" };
        let argument = match name.as_str() {
            "COUNT" if self.chance(50) => "*".to_owned(),
            _ if self.chance(60) => self.column(scope),
            _ => self.any_expr(scope, 2),
        };
        let separator = if name == "LISTAGG" && self.chance(50) { ", ';'" } else { "" };
        let filter = if self.chance(15) {
            format!(" FILTER (WHERE {})", self.expr(Ty::Bool, scope, 2))
        } else {
            String::new()
        };
        format!("{name}({distinct}{argument}{separator}){filter}")
    }

    fn aggregates(&mut self, scope: &Scope) -> (Vec<String>, Scope) {
        let mut columns = Vec::new();
        let mut out = Scope::new();
        for _ in 0..self.rng.random_range(1..4) {
            let name = self.alias("agg");
            columns.push(format!("{} AS {name}", self.aggregate(scope)));
            let ty = if self.chance(60) { Ty::Bigint } else { self.ty() };
            out.push(Column { name, ty });
        }
        (columns, out)
    }

    fn aggregation(&mut self, depth: u32) -> (String, Scope) {
        let (from, scope) = self.from(depth);
        let filter = self.filter("WHERE", &scope, depth);
        let (mut columns, mut out) = self.aggregates(&scope);
        if self.chance(20) {
            return (format!("SELECT {} FROM {from}{filter}", columns.join(", ")), out);
        }
        let mut keys = Vec::new();
        for _ in 0..self.rng.random_range(1..3) {
            let ty = self.ty();
            let key = if self.chance(70) { self.column(&scope) } else { self.expr(ty, &scope, 2) };
            let name = self.alias("k");
            columns.insert(0, format!("{key} AS {name}"));
            out.insert(0, Column { name, ty });
            keys.push(key);
        }
        let keys = keys.join(", ");
        let keys = match self.rng.random_range(0..12) {
            0 => format!("ROLLUP ({keys})"),
            1 => format!("GROUPING SETS (({keys}), ())"),
            _ => keys,
        };
        let having = if self.chance(15) {
            format!(" HAVING {} > {}", self.aggregate(&scope), self.literal(Ty::Int))
        } else {
            String::new()
        };
        (format!("SELECT {} FROM {from}{filter} GROUP BY {keys}{having}", columns.join(", ")), out)
    }

    pub(super) fn interval(&mut self) -> String {
        let intervals = [
            "'10' SECOND",
            "'1' MINUTE",
            "'1' DAY",
            "'30' MINUTE",
            "'0' SECOND",
            "'1' MONTH",
            "'1:30' MINUTE TO SECOND",
        ];
        format!("INTERVAL {}", self.pick(&intervals))
    }

    /// A windowing table function and its columns.
    fn tvf(&mut self, depth: u32) -> (String, Scope) {
        let (table, time, mut scope) = match self.rng.random_range(0..6) {
            0..=2 => ("TABLE t".to_owned(), "ts", table_scope("t")),
            3 => ("TABLE u".to_owned(), "rt", table_scope("u")),
            4 => ("TABLE t".to_owned(), "pt", table_scope("t")),
            _ => {
                let (query, scope) = self.query(depth.saturating_sub(1).max(1));
                (format!("TABLE ({query})"), self.pick(&["ts", "a"]), scope)
            }
        };
        let function = self.pick(&["TUMBLE", "HOP", "CUMULATE", "SESSION"]);
        let table =
            if function == "SESSION" && self.chance(60) { format!("{table} PARTITION BY a") } else { table };
        let mut intervals = self.interval();
        if matches!(function, "HOP" | "CUMULATE") {
            intervals = if self.chance(70) {
                "INTERVAL '10' SECOND, INTERVAL '1' MINUTE".to_owned()
            } else {
                format!("{intervals}, {}", self.interval())
            };
        }
        if self.chance(10) {
            intervals = format!("{intervals}, {}", self.interval());
        }
        scope.extend(["window_start", "window_end", "window_time"].map(|name| column(name, Ty::Timestamp)));
        (format!("TABLE({function}({table}, DESCRIPTOR({time}), {intervals}))"), scope)
    }

    fn windowed(&mut self, depth: u32) -> (String, Scope) {
        let (from, scope) = self.tvf(depth);
        let (mut columns, mut out) = self.aggregates(&scope);
        let mut keys = "window_start, window_end".to_owned();
        columns.push("window_end".to_owned());
        out.push(column("window_end", Ty::Timestamp));
        if self.chance(50) {
            let key = if self.chance(70) { "a".to_owned() } else { self.column(&scope) };
            let name = self.alias("k");
            columns.push(format!("{key} AS {name}"));
            out.push(Column { name, ty: Ty::Int });
            keys = format!("{keys}, {key}");
        }
        if self.chance(20) {
            columns.push("window_time AS ts".to_owned());
            out.push(column("ts", Ty::Timestamp));
            keys = format!("{keys}, window_time");
        }
        let filter = self.filter("WHERE", &scope, 1);
        (format!("SELECT {} FROM {from}{filter} GROUP BY {keys}", columns.join(", ")), out)
    }

    fn ranked(&mut self, depth: u32) -> (String, Scope) {
        let (from, scope) = if self.chance(30) { self.tvf(depth) } else { self.from(depth) };
        let function = self.pick(&["ROW_NUMBER", "ROW_NUMBER", "RANK", "DENSE_RANK"]);
        let partition =
            if self.chance(70) { format!("PARTITION BY {} ", self.column(&scope)) } else { String::new() };
        let order = self.column(&scope);
        let direction = self.pick(&["", " DESC", " ASC"]);
        let condition = self.pick(&["rn <= 3", "rn = 1", "rn < 2", "rn > 1 AND rn < 4", "rn = 2", "rn <= a"]);
        let inner = self.alias("q");
        let text = format!(
            "SELECT * FROM (SELECT *, {function}() OVER ({partition}ORDER BY {order}{direction}) AS rn FROM {from}) AS {inner} WHERE {condition}"
        );
        (text, scope)
    }

    fn over(&mut self, depth: u32) -> (String, Scope) {
        let (from, scope) = self.from(depth);
        let functions = [
            "LAG",
            "LEAD",
            "FIRST_VALUE",
            "LAST_VALUE",
            "SUM",
            "COUNT",
            "NTILE",
            "AVG",
            "MAX",
            "PERCENT_RANK",
        ];
        let function = self.pick(&functions);
        let argument = if self.chance(70) { self.column(&scope) } else { self.any_expr(&scope, 2) };
        let order = if self.chance(60) { "ts".to_owned() } else { self.column(&scope) };
        let frame = self.pick(&[
            "",
            "",
            " ROWS BETWEEN 3 PRECEDING AND CURRENT ROW",
            " RANGE BETWEEN INTERVAL '1' MINUTE PRECEDING AND CURRENT ROW",
            " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
            " ROWS BETWEEN 1 FOLLOWING AND 2 FOLLOWING",
            " ROWS BETWEEN CURRENT ROW AND 1 PRECEDING",
        ]);
        let partition =
            if self.chance(70) { format!("PARTITION BY {} ", self.column(&scope)) } else { String::new() };
        let name = self.alias("o");
        let text = format!(
            "SELECT {} AS x, {function}({argument}) OVER ({partition}ORDER BY {order}{frame}) AS {name} FROM {from}",
            self.column(&scope)
        );
        (text, vec![column("x", Ty::Int), Column { name, ty: Ty::Bigint }])
    }

    /// What stands behind FROM, and the columns that it brings.
    pub(super) fn from(&mut self, depth: u32) -> (String, Scope) {
        if depth <= 1 || self.chance(45) {
            let table = self.pick(&["t", "t", "t", "u", "v", "dim"]);
            return (table.to_owned(), table_scope(table));
        }
        match self.rng.random_range(0..10) {
            0..=2 => {
                let (query, scope) = self.query(depth - 1);
                (format!("({query}) AS {}", self.alias("q")), scope)
            }
            3 => self.tvf(depth),
            4 => {
                let condition =
                    self.pick(&["t.a = dim.a", "t.s = dim.s AND t.a > 1", "TRUE", "t.a + 1 = dim.a"]);
                let kind = self.pick(&["JOIN", "LEFT JOIN", "RIGHT JOIN"]);
                let time = self.pick(&["t.pt", "t.ts"]);
                let scope = qualified("t");
                (format!("t {kind} dim FOR SYSTEM_TIME AS OF {time} ON {condition}"), scope)
            }
            5 => {
                let bounds = [
                    "BETWEEN u.rt - INTERVAL '1' MINUTE AND u.rt + INTERVAL '1' MINUTE",
                    "> u.rt - INTERVAL '1' HOUR",
                    "= u.rt",
                ];
                let scope = qualified("t").into_iter().chain(qualified("u")).collect();
                let kind = self.pick(&["JOIN", "LEFT JOIN", "FULL JOIN"]);
                (format!("t {kind} u ON t.a = u.a AND t.lz {}", self.pick(&bounds)), scope)
            }
            6 => {
                let unnest = self.pick(&[
                    "CROSS JOIN UNNEST(tags) AS e (item)",
                    "CROSS JOIN UNNEST(m) AS e (item, w)",
                    ", UNNEST(t.tags) WITH ORDINALITY AS e (item, o)",
                    "LEFT JOIN UNNEST(tags) AS e (item) ON TRUE",
                ]);
                let mut scope = table_scope("t");
                scope.push(column("item", Ty::Text));
                (format!("t {unnest}"), scope)
            }
            _ => {
                let names = (self.alias("l"), self.alias("r"));
                let ((left, left_scope), (right, right_scope)) =
                    (self.query(depth - 1), self.query(depth - 1));
                let qualify = |scope: &Scope, name: &str| -> Scope {
                    scope.iter().map(|c| column(&format!("{name}.{}", c.name), c.ty)).collect()
                };
                let scope: Scope = qualify(&left_scope, &names.0)
                    .into_iter()
                    .chain(qualify(&right_scope, &names.1))
                    .collect();
                let kind = self.pick(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN"]);
                let condition = if kind == "CROSS JOIN" {
                    String::new()
                } else {
                    let (one, other) = (self.column(&scope), self.column(&scope));
                    let more = if self.chance(30) {
                        format!(" AND {}", self.expr(Ty::Bool, &scope, 2))
                    } else {
                        String::new()
                    };
                    format!(" ON {one} = {other}{more}")
                };
                (format!("({left}) AS {} {kind} ({right}) AS {}{condition}", names.0, names.1), scope)
            }
        }
    }
}
