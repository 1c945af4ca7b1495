//! Random expressions that mean the same in both dialects.

use rand::{Rng, seq::IndexedRandom};

use super::queries::{Queries, Scope, TYPES, Ty};

impl Queries {
    pub(super) fn expr(&mut self, ty: Ty, scope: &Scope, depth: u32) -> String {
        if depth == 0 || self.chance(35) {
            let fitting: Vec<&String> =
                scope.iter().filter(|(_, of)| *of == ty).map(|(name, _)| name).collect();
            return match fitting.choose(&mut self.rng) {
                Some(column) if !self.chance(10) => (*column).clone(),
                _ => self.literal(ty),
            };
        }
        let depth = depth - 1;
        let of = |queries: &mut Self, ty: Ty| queries.expr(ty, scope, depth);
        match self.rng.random_range(0..8) {
            0 => return format!("COALESCE({}, {})", of(self, ty), of(self, ty)),
            1 => {
                return format!(
                    "CASE WHEN {} THEN {} ELSE {} END",
                    of(self, Ty::Bool),
                    of(self, ty),
                    of(self, ty)
                );
            }
            2 => return format!("NULLIF({}, {})", of(self, ty), of(self, ty)),
            _ => {}
        }
        match ty {
            Ty::Int => match self.rng.random_range(0..5) {
                0 => format!("ABS({})", of(self, Ty::Int)),
                1 => format!("CHAR_LENGTH({})", of(self, Ty::Text)),
                2 => format!(
                    "({} {} {})",
                    of(self, Ty::Int),
                    self.pick(&["%", "/"]),
                    self.pick(&["2", "3", "7"])
                ),
                _ => format!("({} {} {})", of(self, Ty::Int), self.pick(&["+", "-", "*"]), of(self, Ty::Int)),
            },
            Ty::Real => match self.rng.random_range(0..3) {
                0 => format!("CAST({} AS DOUBLE)", of(self, Ty::Int)),
                _ => format!("({} {} {})", of(self, Ty::Real), self.pick(&["+", "-"]), of(self, Ty::Real)),
            },
            Ty::Text => match self.rng.random_range(0..4) {
                0 => format!("UPPER({})", of(self, Ty::Text)),
                1 => format!("CAST({} AS STRING)", of(self, Ty::Int)),
                2 => format!("SUBSTRING({} FROM 1 FOR 2)", of(self, Ty::Text)),
                _ => format!("({} || {})", of(self, Ty::Text), of(self, Ty::Text)),
            },
            Ty::Bool => match self.rng.random_range(0..8) {
                0 => format!("({} AND {})", of(self, Ty::Bool), of(self, Ty::Bool)),
                1 => format!("({} OR {})", of(self, Ty::Bool), of(self, Ty::Bool)),
                2 => format!("(NOT {})", of(self, Ty::Bool)),
                3 => format!("({} IN (1, {}, 3))", of(self, Ty::Int), of(self, Ty::Int)),
                4 => {
                    format!("({} BETWEEN {} AND {})", of(self, Ty::Int), of(self, Ty::Int), of(self, Ty::Int))
                }
                5 => {
                    let ty = *TYPES.choose(&mut self.rng).expect("there are types");
                    format!("({} IS {}NULL)", of(self, ty), self.pick(&["", "NOT "]))
                }
                6 => format!("({} LIKE {})", of(self, Ty::Text), self.pick(&["'1%'", "'_'", "'%a%'"])),
                _ => {
                    let ty = *TYPES.choose(&mut self.rng).expect("there are types");
                    let operator = self.pick(&["=", "<>", "<", "<=", ">", "IS DISTINCT FROM"]);
                    format!("({} {operator} {})", of(self, ty), of(self, ty))
                }
            },
        }
    }

    fn literal(&mut self, ty: Ty) -> String {
        let choices: &[&str] = match ty {
            Ty::Int => &["0", "1", "2", "-3", "CAST(NULL AS INT)"],
            Ty::Real => &["CAST(0.5 AS DOUBLE)", "CAST(-2 AS DOUBLE)", "CAST(NULL AS DOUBLE)"],
            Ty::Text => &["'a'", "''", "'7'", "CAST(NULL AS STRING)"],
            Ty::Bool => &["TRUE", "FALSE", "CAST(NULL AS BOOLEAN)"],
        };
        self.pick(choices).to_owned()
    }
}
