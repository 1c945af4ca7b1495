//! Which changes are made at all: Flink's inference of changelog modes, as far as it spares work.

use super::{Distribution, NodeKind, StreamPlan};

impl StreamPlan {
    /// Has updates made without the old row where nobody asks for it: behind it there are only operators that pass changes on, and
    /// sinks that do without.
    pub fn leave_out_update_before(&mut self) {
        let mut is_needed = vec![false; self.nodes.len()];
        // Consumers come behind what they consume.
        for id in (0..self.nodes.len()).rev() {
            let has_consumer =
                self.nodes[id + 1..].iter().any(|node| node.inputs.iter().any(|(input, _)| *input == id));
            let node = &mut self.nodes[id];
            let needs_inputs = match &node.kind {
                NodeKind::Operator(factory) if factory.passes_changes_on() => is_needed[id] || !has_consumer,
                NodeKind::Operator(_) => true,
                NodeKind::Sink(_) => node.update_before,
                NodeKind::Source { .. } => false,
            };
            let results = node.inputs.iter().filter(|(_, distribution)| *distribution != Distribution::Late);
            for (input, _) in results {
                is_needed[*input] |= needs_inputs;
            }
            // What nobody reads is a query that is only looked at: it is shown as if all of it were wanted.
            if is_needed[id] || !has_consumer {
                continue;
            }
            if let NodeKind::Operator(factory) = &node.kind
                && let Some(without) = factory.without_update_before()
            {
                node.kind = NodeKind::Operator(without);
                node.update_before = false;
            }
        }
        // What passes changes on has those that it gets.
        for id in 0..self.nodes.len() {
            let NodeKind::Operator(factory) = &self.nodes[id].kind else { continue };
            if factory.passes_changes_on() {
                let mut inputs = self.nodes[id].inputs.iter();
                self.nodes[id].update_before =
                    self.nodes[id].is_updating && inputs.any(|(input, _)| self.nodes[*input].update_before);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use headwater_core::options::JobOptions;

    use crate::session::{Outcome, Session};

    const TABLES: &str = "CREATE TABLE bids (auction BIGINT, bidder BIGINT, price BIGINT) WITH ('connector' = 'datagen');
         CREATE TABLE auctions (id BIGINT, category BIGINT) WITH ('connector' = 'datagen');
         CREATE TABLE dropped (a BIGINT, b BIGINT) WITH ('connector' = 'blackhole');
         CREATE TABLE keyed (a BIGINT, b BIGINT, PRIMARY KEY (a) NOT ENFORCED) WITH ('connector' = 'blackhole');
         CREATE TABLE printed (a BIGINT, b BIGINT) WITH ('connector' = 'print');";

    /// The operators of an INSERT, the sink first, and how rows come to them.
    fn plan(insert: &str) -> Vec<String> {
        let script = format!("{TABLES} EXPLAIN {insert};");
        let outcomes = Session::new(JobOptions::default()).execute_script(&script).unwrap();
        let Some(Outcome::Text(text)) = outcomes.last() else { panic!("EXPLAIN gives a text") };
        let (_, operators) = text.split_once("== Optimized Execution Plan ==\n").unwrap();
        operators.lines().map(|line| line.trim_start_matches([' ', '+', '-']).to_owned()).collect()
    }

    /// The changes of the operators whose names begin so, the last one first.
    fn modes(insert: &str, name: &str) -> Vec<String> {
        let plan = plan(insert);
        let mode = |line: &String| {
            let (_, rest) = line.split_once("changelogMode=[").unwrap();
            rest.split(']').next().unwrap().to_owned()
        };
        plan.iter().filter(|line| line.starts_with(name)).map(mode).collect()
    }

    #[test]
    fn old_rows_are_made_for_those_who_need_them() {
        let count = "SELECT auction, COUNT(*) AS bids FROM bids GROUP BY auction";
        let group = "GroupAggregate";
        assert_eq!(modes(&format!("INSERT INTO dropped {count}"), group), ["I,UA,D"]);
        assert_eq!(modes(&format!("INSERT INTO keyed {count}"), group), ["I,UA,D"]);
        assert_eq!(modes(&format!("INSERT INTO printed {count}"), group), ["I,UB,UA,D"]);
        // The sink finds rows by another column than the one that stays.
        let turned = format!("INSERT INTO keyed SELECT bids, auction FROM ({count})");
        assert_eq!(modes(&turned, group), ["I,UB,UA,D"]);
        let filtered = format!("INSERT INTO dropped {count} HAVING COUNT(*) < 10");
        assert_eq!(modes(&filtered, group), ["I,UB,UA,D"]);
        let twice = format!("INSERT INTO dropped SELECT bids, COUNT(*) FROM ({count}) GROUP BY bids");
        assert_eq!(modes(&twice, group), ["I,UA,D", "I,UB,UA,D"]);
        let added = format!("SELECT auction, bids + 1 FROM ({count})");
        assert_eq!(modes(&format!("INSERT INTO dropped {added}"), "Calc")[0], "I,UA,D");
        assert_eq!(modes(&format!("INSERT INTO printed {added}"), "Calc")[0], "I,UB,UA,D");
    }

    #[test]
    fn rows_that_a_join_has_divided_are_not_divided_again_by_the_same_columns() {
        let ranked = |partition: &str| {
            plan(&format!(
                "INSERT INTO dropped SELECT auction, price FROM (
                     SELECT auction, price, ROW_NUMBER() OVER (PARTITION BY {partition} ORDER BY price DESC) AS n
                     FROM bids JOIN auctions ON auction = id
                 ) WHERE n <= 1"
            ))
        };
        let exchanges = |plan: Vec<String>| plan.iter().filter(|line| line.starts_with("Exchange")).count();
        assert_eq!(exchanges(ranked("id")), 2);
        assert_eq!(exchanges(ranked("auction")), 2);
        assert_eq!(exchanges(ranked("category")), 3);
        assert_eq!(exchanges(ranked("auction, category")), 3);
    }
}
