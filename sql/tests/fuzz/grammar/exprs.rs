//! Random expressions.

use rand::{Rng, seq::IndexedRandom};

use super::{Column, Grammar, Scope, TYPES, Ty};

impl Grammar {
    pub(super) fn column(&mut self, scope: &Scope) -> String {
        match scope.choose(&mut self.rng) {
            Some(column) if !self.chance(1) => column.name.clone(),
            _ => "missing".to_owned(),
        }
    }

    pub(super) fn any_expr(&mut self, scope: &Scope, depth: u32) -> String {
        let ty = self.ty();
        self.expr(ty, scope, depth)
    }

    /// An expression, mostly of this type.
    pub(super) fn expr(&mut self, ty: Ty, scope: &Scope, depth: u32) -> String {
        let ty = if self.chance(3) { self.ty() } else { ty };
        if depth == 0 || self.chance(30) {
            let fitting: Vec<&Column> = scope.iter().filter(|column| column.ty == ty).collect();
            return match fitting.choose(&mut self.rng) {
                Some(column) if !self.chance(15) => column.name.clone(),
                _ => self.literal(ty),
            };
        }
        let depth = depth - 1;
        match self.rng.random_range(0..12) {
            0 => format!("COALESCE({}, {})", self.expr(ty, scope, depth), self.expr(ty, scope, depth)),
            1 => format!(
                "CASE WHEN {} THEN {} ELSE {} END",
                self.expr(Ty::Bool, scope, depth),
                self.expr(ty, scope, depth),
                self.expr(ty, scope, depth)
            ),
            2 => {
                let cast = self.pick(&["CAST", "TRY_CAST"]);
                format!("{cast}({} AS {})", self.any_expr(scope, depth), self.type_name(ty))
            }
            // Any function with any arguments.
            3 => {
                let function = self.functions.choose(&mut self.rng).expect("there are some").clone();
                let count = self.rng.random_range(0..4);
                let arguments: Vec<String> = (0..count).map(|_| self.any_expr(scope, depth)).collect();
                format!("{function}({})", arguments.join(", "))
            }
            4 => format!("NULLIF({}, {})", self.expr(ty, scope, depth), self.expr(ty, scope, depth)),
            _ => self.typed(ty, scope, depth),
        }
    }

    fn typed(&mut self, ty: Ty, scope: &Scope, depth: u32) -> String {
        let of = |grammar: &mut Self, ty: Ty| grammar.expr(ty, scope, depth);
        match ty {
            Ty::Bool => match self.rng.random_range(0..8) {
                0 => format!("({} AND {})", of(self, Ty::Bool), of(self, Ty::Bool)),
                1 => format!("({} OR {})", of(self, Ty::Bool), of(self, Ty::Bool)),
                2 => format!("NOT ({})", of(self, Ty::Bool)),
                3 => format!("{} LIKE {}", of(self, Ty::Text), self.pick(&["'a%'", "'_b'", "'%'", "s"])),
                4 => format!("{} IN ({}, {})", of(self, Ty::Int), of(self, Ty::Int), of(self, Ty::Bigint)),
                5 => format!("{} BETWEEN {} AND {}", of(self, Ty::Int), of(self, Ty::Int), of(self, Ty::Int)),
                6 => {
                    let test = self.pick(&["NULL", "NOT NULL", "TRUE", "NOT FALSE", "UNKNOWN"]);
                    let ty = if test.contains("NULL") { self.ty() } else { Ty::Bool };
                    format!("{} IS {test}", of(self, ty))
                }
                _ => {
                    let ty = self.ty();
                    let operator = self.pick(&["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM"]);
                    format!("{} {operator} {}", of(self, ty), of(self, ty))
                }
            },
            Ty::Int | Ty::Bigint | Ty::Double | Ty::Decimal => match self.rng.random_range(0..6) {
                0 => format!("CHAR_LENGTH({})", of(self, Ty::Text)),
                1 => format!(
                    "EXTRACT({} FROM {})",
                    self.pick(&["YEAR", "HOUR", "DAY", "WEEK", "EPOCH"]),
                    of(self, Ty::Timestamp)
                ),
                2 => format!(
                    "{}({})",
                    self.pick(&["ABS", "FLOOR", "CEIL", "-", "ROUND", "SIGN"]),
                    of(self, ty)
                ),
                _ => {
                    let operator = self.pick(&["+", "-", "*", "/", "%"]);
                    format!("({} {operator} {})", of(self, ty), of(self, ty))
                }
            },
            Ty::Text => match self.rng.random_range(0..6) {
                0 => format!("({} || {})", of(self, Ty::Text), of(self, Ty::Text)),
                1 => format!(
                    "SUBSTRING({} FROM {} FOR {})",
                    of(self, Ty::Text),
                    of(self, Ty::Int),
                    of(self, Ty::Int)
                ),
                2 => format!(
                    "{}({})",
                    self.pick(&["UPPER", "LOWER", "TRIM", "REVERSE", "MD5", "INITCAP"]),
                    of(self, Ty::Text)
                ),
                3 => format!("JSON_VALUE({}, '$.a')", of(self, Ty::Text)),
                4 => format!("DATE_FORMAT({}, 'yyyy-MM-dd')", of(self, Ty::Timestamp)),
                _ => format!("CAST({} AS STRING)", self.any_expr(scope, depth)),
            },
            Ty::Bytes => format!("ENCODE({}, 'UTF-8')", of(self, Ty::Text)),
            Ty::Date => format!("CAST({} AS DATE)", of(self, Ty::Timestamp)),
            Ty::Time => format!("CAST({} AS TIME)", of(self, Ty::Timestamp)),
            Ty::Timestamp => match self.rng.random_range(0..3) {
                0 => {
                    format!("FLOOR({} TO {})", of(self, Ty::Timestamp), self.pick(&["HOUR", "DAY", "MONTH"]))
                }
                _ => format!("{} {} {}", of(self, Ty::Timestamp), self.pick(&["+", "-"]), self.interval()),
            },
            Ty::Ltz => format!("TO_TIMESTAMP_LTZ({}, 3)", of(self, Ty::Bigint)),
            Ty::Array => format!("ARRAY[{}, {}]", of(self, Ty::Text), of(self, Ty::Text)),
            Ty::Map => format!("MAP[{}, {}]", of(self, Ty::Text), of(self, Ty::Int)),
            Ty::Row => format!("ROW({}, {})", of(self, Ty::Int), of(self, Ty::Text)),
        }
    }

    pub(super) fn literal(&mut self, ty: Ty) -> String {
        if self.chance(8) {
            let name = TYPES.iter().find(|(known, _)| *known == ty).map_or("INT", |(_, name)| name);
            return if self.chance(50) { "NULL".to_owned() } else { format!("CAST(NULL AS {name})") };
        }
        let choices: &[&str] = match ty {
            Ty::Bool => &["TRUE", "FALSE"],
            Ty::Int => &["0", "1", "-1", "7", "2147483647", "-2147483648", "1000000"],
            Ty::Bigint => &["0", "1", "-1", "1000000000000", "9223372036854775807", "-9223372036854775808"],
            Ty::Double => &["0.0e0", "1.5e0", "-1e300", "1e-300", "CAST('NaN' AS DOUBLE)"],
            Ty::Decimal => &["0.00", "1.25", "-99999999.99", "12345678901234567890.123456789", ".5"],
            Ty::Text => &[
                "''",
                "'a'",
                "'$.x'",
                "'2020-01-01 00:00:00'",
                "'{\"a\": 1}'",
                "'é𝄞'",
                "'it''s'",
                "'%'",
                "'('",
            ],
            Ty::Bytes => &["x''", "x'ff00'"],
            Ty::Date => &["DATE '2020-02-29'", "DATE '0001-01-01'", "CURRENT_DATE"],
            Ty::Time => &["TIME '12:34:56'", "CURRENT_TIME"],
            Ty::Timestamp => {
                &["TIMESTAMP '2020-02-29 12:34:56.789'", "TIMESTAMP '9999-12-31 23:59:59'", "LOCALTIMESTAMP"]
            }
            Ty::Ltz => {
                &["TO_TIMESTAMP_LTZ(0, 3)", "CURRENT_TIMESTAMP", "TO_TIMESTAMP_LTZ(9223372036854775807, 0)"]
            }
            Ty::Array => &["ARRAY['a', 'b']", "ARRAY['x']", "ARRAY[]"],
            Ty::Map => &["MAP['a', 1]", "MAP['a', 1, 'b', 2]"],
            Ty::Row => &["ROW(1, 'a')", "(2, 'b')"],
        };
        self.pick(choices).to_owned()
    }
}
