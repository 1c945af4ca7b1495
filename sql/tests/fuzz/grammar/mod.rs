//! Random statements from a grammar, over a small catalog.

mod exprs;
mod queries;

use headwater_sql::{functions, planner::aggregates};
use rand::{Rng, SeedableRng, rngs::SmallRng, seq::IndexedRandom};

/// What statements are about: streams with event and processing time, bounded tables, a view, sinks.
pub const CATALOG: &str = "\
CREATE TABLE t (a INT, b BIGINT, x DOUBLE, d DECIMAL(10, 2), s STRING, y BYTES, dy DATE, tm TIME, ts TIMESTAMP(3), \
lz TIMESTAMP_LTZ(3), f BOOLEAN, tags ARRAY<STRING>, m MAP<STRING, INT>, r ROW<p INT, q STRING>, pt AS PROCTIME(), \
WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'datagen');
CREATE TABLE u (a INT, c TINYINT, g FLOAT, s STRING, rt TIMESTAMP_LTZ(3), WATERMARK FOR rt AS rt) \
WITH ('connector' = 'datagen', 'number-of-rows' = '10');
CREATE TABLE dim (a INT, s STRING, PRIMARY KEY (a) NOT ENFORCED) \
WITH ('connector' = 'filesystem', 'path' = '/nowhere', 'format' = 'csv');
CREATE VIEW v AS SELECT a, COUNT(*) AS n, MAX(s) AS s FROM t GROUP BY a;
CREATE TABLE anything (a BIGINT, s STRING) WITH ('connector' = 'blackhole');
CREATE TABLE files (a BIGINT, s STRING) WITH ('connector' = 'filesystem', 'path' = '/nowhere', 'format' = 'json');
";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ty {
    Bool,
    Int,
    Bigint,
    Double,
    Decimal,
    Text,
    Bytes,
    Date,
    Time,
    Timestamp,
    Ltz,
    Array,
    Map,
    Row,
}

const TYPES: [(Ty, &str); 14] = [
    (Ty::Bool, "BOOLEAN"),
    (Ty::Int, "INT"),
    (Ty::Bigint, "BIGINT"),
    (Ty::Double, "DOUBLE"),
    (Ty::Decimal, "DECIMAL(10, 2)"),
    (Ty::Text, "STRING"),
    (Ty::Bytes, "BYTES"),
    (Ty::Date, "DATE"),
    (Ty::Time, "TIME"),
    (Ty::Timestamp, "TIMESTAMP(3)"),
    (Ty::Ltz, "TIMESTAMP_LTZ(3)"),
    (Ty::Array, "ARRAY<STRING>"),
    (Ty::Map, "MAP<STRING, INT>"),
    (Ty::Row, "ROW<p INT, q STRING>"),
];

#[derive(Debug, Clone)]
struct Column {
    name: String,
    ty: Ty,
}

type Scope = Vec<Column>;

/// Makes statements.
pub struct Grammar {
    rng: SmallRng,
    functions: Vec<String>,
    aggregates: Vec<String>,
    aliases: usize,
}

impl Grammar {
    /// The same seed makes the same statements.
    pub fn new(seed: u64) -> Self {
        Self {
            rng: SmallRng::seed_from_u64(seed),
            functions: functions::names(),
            aggregates: aggregates::names(),
            aliases: 0,
        }
    }

    /// A script: the catalog and some statements.
    pub fn script(&mut self) -> String {
        let mut script = CATALOG.to_owned();
        for _ in 0..self.rng.random_range(1..4) {
            script.push_str(&self.statement());
            script.push_str(";\n");
        }
        script
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_ratio(percent, 100)
    }

    fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices.choose(&mut self.rng).copied().expect("there are choices")
    }

    fn ty(&mut self) -> Ty {
        TYPES.choose(&mut self.rng).expect("there are types").0
    }

    fn type_name(&mut self, ty: Ty) -> String {
        let name = TYPES.iter().find(|(known, _)| *known == ty).map_or("INT", |(_, name)| name);
        match self.rng.random_range(0..30) {
            0 => "VARCHAR(3)".to_owned(),
            1 => "CHAR(2)".to_owned(),
            2 => "DECIMAL(38, 18)".to_owned(),
            3 => "TIMESTAMP(9)".to_owned(),
            4 => "TINYINT".to_owned(),
            5 => format!("ARRAY<{name}>"),
            6 => format!("MAP<{name}, {name}>"),
            7 => format!("ROW<x {name}, y ARRAY<{name}>>"),
            8 => "INTERVAL DAY TO SECOND".to_owned(),
            _ => name.to_owned(),
        }
    }

    fn alias(&mut self, prefix: &str) -> String {
        self.aliases += 1;
        format!("{prefix}{}", self.aliases)
    }

    fn statement(&mut self) -> String {
        match self.rng.random_range(0..40) {
            0 => self.create_table(),
            1 => format!("CREATE VIEW {} AS {}", self.alias("view"), self.query(3).0),
            2 => {
                let statements = [
                    "SHOW TABLES",
                    "SHOW FUNCTIONS",
                    "DESCRIBE t",
                    "SHOW CREATE TABLE u",
                    "SHOW COLUMNS FROM v",
                ];
                self.pick(&statements).to_owned()
            }
            3 => {
                let statements = [
                    "SET 'table.exec.state.ttl' = '1 h'",
                    "SET 'table.optimizer.agg-phase-strategy' = 'TWO_PHASE'",
                    "SET 'parallelism.default' = '4'",
                    "SET 'table.exec.source.idle-timeout' = '1 s'",
                    "RESET",
                    "DROP VIEW v",
                    "ALTER TABLE t RENAME TO t2",
                    "ALTER TABLE u SET ('number-of-rows' = '5')",
                ];
                self.pick(&statements).to_owned()
            }
            4..=9 => self.insert(),
            10 => {
                let inserts: Vec<String> = (0..3).map(|_| self.insert()).collect();
                format!("EXECUTE STATEMENT SET BEGIN {}; END", inserts.join("; "))
            }
            11 => format!("EXPLAIN {}", self.query(3).0),
            _ => self.query(4).0,
        }
    }

    fn insert(&mut self) -> String {
        let sink = self.pick(&["anything", "files", "t"]);
        if self.chance(30) {
            return format!("INSERT INTO {sink} {}", self.query(3).0);
        }
        let (from, scope) = self.from(3);
        let (number, text) = (self.expr(Ty::Bigint, &scope, 2), self.expr(Ty::Text, &scope, 2));
        format!("INSERT INTO {sink} SELECT {number}, {text} FROM {from}")
    }

    fn create_table(&mut self) -> String {
        let name = self.alias("table");
        let mut columns: Vec<String> = Vec::new();
        let mut scope = Scope::new();
        for index in 0..self.rng.random_range(1..5) {
            let ty = self.ty();
            let column = format!("c{index}");
            let nullability = self.pick(&["", "", " NOT NULL"]);
            columns.push(format!("{column} {}{nullability}", self.type_name(ty)));
            scope.push(Column { name: column, ty });
        }
        if self.chance(30) {
            columns.push(format!("computed AS {}", self.any_expr(&scope, 2)));
        }
        if self.chance(40) {
            let time = self.pick(&["c0", "c1", "computed", "missing"]);
            let delay = self.pick(&[" - INTERVAL '1' SECOND", "", " - 5", " + INTERVAL '1' MONTH"]);
            columns.push(format!("WATERMARK FOR {time} AS {time}{delay}"));
        }
        if self.chance(20) {
            columns.push("PRIMARY KEY (c0) NOT ENFORCED".to_owned());
        }
        let options = self.pick(&[
            "'connector' = 'datagen'",
            "'connector' = 'datagen', 'fields.c0.min' = '3', 'rows-per-second' = '1'",
            "'connector' = 'filesystem', 'path' = '/nowhere', 'format' = 'csv'",
            "'connector' = 'print'",
            "'connector' = 'nexmark'",
            "'connector' = 'kafka'",
            "'path' = 'x'",
        ]);
        format!("CREATE TABLE {name} ({}) WITH ({options}); SELECT * FROM {name}", columns.join(", "))
    }
}

fn column(name: &str, ty: Ty) -> Column {
    Column { name: name.to_owned(), ty }
}

fn table_scope(table: &str) -> Scope {
    let columns: &[(&str, Ty)] = match table {
        "t" => &[
            ("a", Ty::Int),
            ("b", Ty::Bigint),
            ("x", Ty::Double),
            ("d", Ty::Decimal),
            ("s", Ty::Text),
            ("y", Ty::Bytes),
            ("dy", Ty::Date),
            ("tm", Ty::Time),
            ("ts", Ty::Timestamp),
            ("lz", Ty::Ltz),
            ("f", Ty::Bool),
            ("tags", Ty::Array),
            ("m", Ty::Map),
            ("r", Ty::Row),
            ("pt", Ty::Ltz),
        ],
        "u" => &[("a", Ty::Int), ("c", Ty::Int), ("g", Ty::Double), ("s", Ty::Text), ("rt", Ty::Ltz)],
        "v" => &[("a", Ty::Int), ("n", Ty::Bigint), ("s", Ty::Text)],
        _ => &[("a", Ty::Int), ("s", Ty::Text)],
    };
    columns.iter().map(|(name, ty)| column(name, *ty)).collect()
}

fn qualified(table: &str) -> Scope {
    table_scope(table).into_iter().map(|c| column(&format!("{table}.{}", c.name), c.ty)).collect()
}
