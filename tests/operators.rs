//! Operators without time, against the same computation in plain code.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{BACKENDS, assert_same_lines, lines, seeds, sorted, with_server};
use headwater::{
    connectors::generator::random_at,
    core::{graph::Partitioning, time::NO_TIMESTAMP},
    prelude::*,
};
use headwater_coordinator::view::JobDetails;

/// A stream of numbers below `below`, chosen by chance.
fn numbers(env: &StreamExecutionEnvironment, seed: u64, count: u64, below: u64) -> DataStream<Identity<u64>> {
    env.generate(Some(count), move |index| (random_at(seed, index) % below, NO_TIMESTAMP))
}

fn plain(seed: u64, count: u64, below: u64) -> impl Iterator<Item = u64> {
    (0..count).map(move |index| random_at(seed, index) % below)
}

fn shape(job: &JobDetails) -> Vec<u32> {
    job.graph.vertices.iter().map(|vertex| vertex.parallelism).collect()
}

#[test]
fn map_filter_and_flat_map_equal_the_iterators() {
    with_server(async |test| {
        for seed in seeds() {
            let expected = sorted(
                plain(seed, 30_000, 1_000)
                    .map(|number| number + 1)
                    .filter(|number| number % 3 != 0)
                    .flat_map(|number| (0..number % 4).map(move |copy| format!("{number}.{copy}"))),
            );
            for parallelism in [1, 2] {
                let folder = test.folder(&format!("{seed}-{parallelism}"));
                test.run(|env| {
                    env.set_parallelism(parallelism);
                    numbers(env, seed, 30_000, 1_000)
                        .map(|number| number + 1)
                        .filter(|number| number % 3 != 0)
                        .flat_map(|number, out| {
                            (0..number % 4).for_each(|copy| out.collect(format!("{number}.{copy}")));
                        })
                        .write_as_text(&folder);
                })
                .await;
                assert_same_lines(&lines(&folder), &expected, &format!("parallelism {parallelism}"));
            }
        }
    });
}

#[test]
fn a_function_with_state_of_its_own_has_one_copy_per_subtask() {
    with_server(async |test| {
        let folder = test.folder("out");
        test.run(|env| {
            let mut seen = 0u64;
            numbers(env, 1, 10_000, 10)
                .map(move |_| {
                    seen += 1;
                    seen
                })
                .set_parallelism(2)
                .write_as_text(&folder);
        })
        .await;
        let mut counts = vec![0; 10_001];
        lines(&folder).iter().for_each(|line| counts[line.parse::<usize>().unwrap()] += 1);
        let longest = counts.iter().rposition(|count| *count > 0).unwrap();
        assert!(counts[1..=10_000 - longest].iter().all(|count| *count == 2), "two copies count from 1");
        assert_eq!(counts.iter().sum::<i32>(), 10_000);
        assert!(longest < 10_000, "both subtasks have had records");
    });
}

#[test]
fn a_union_holds_the_records_of_both_streams() {
    with_server(async |test| {
        for parallelism in [1, 2] {
            let folder = test.folder(&format!("out-{parallelism}"));
            let job = test
                .run(|env| {
                    env.set_parallelism(parallelism);
                    let one = env
                        .generate(Some(7_000), |index| (index, NO_TIMESTAMP))
                        .set_parallelism(1)
                        .map(|number| format!("a{number}"));
                    let other = env.generate(Some(9_000), |index| (format!("b{index}"), NO_TIMESTAMP));
                    one.union(other).filter(|record| !record.ends_with('5')).write_as_text(&folder);
                })
                .await;
            let a = (0..7_000).map(|number| format!("a{number}"));
            let b = (0..9_000).map(|number| format!("b{number}"));
            let expected = sorted(a.chain(b).filter(|record| !record.ends_with('5')));
            assert_same_lines(&lines(&folder), &expected, &format!("parallelism {parallelism}"));
            assert_eq!(shape(&job), [1, parallelism, parallelism]);
        }
    });
}

#[test]
fn every_consumer_of_a_fork_gets_every_record() {
    with_server(async |test| {
        for parallelism in [1, 2] {
            let [all, even, counts] =
                ["all", "even", "counts"].map(|name| test.folder(&format!("{name}-{parallelism}")));
            test.run(|env| {
                env.set_parallelism(parallelism);
                let fork = numbers(env, 3, 20_000, 100).map(|number| number * 2 + number % 2).fork();
                fork.stream().write_as_text(&all);
                fork.stream().filter(|number| number % 2 == 0).write_as_text(&even).set_parallelism(1);
                fork.stream()
                    .key_by(|number| *number)
                    .window(EndOfStreamWindows::get())
                    .count()
                    .map(|(number, count)| format!("{number} {count}"))
                    .write_as_text(&counts);
                // A consumer that never ends in a sink takes nothing from the others.
                drop(fork.stream());
            })
            .await;
            let expected: Vec<u64> = plain(3, 20_000, 100).map(|number| number * 2 + number % 2).collect();
            let texts = |numbers: &mut dyn Iterator<Item = &u64>| sorted(numbers.map(u64::to_string));
            assert_same_lines(&lines(&all), &texts(&mut expected.iter()), "all");
            let evens = &mut expected.iter().filter(|number| **number % 2 == 0);
            assert_same_lines(&lines(&even), &texts(evens), "even");
            let mut counted: BTreeMap<u64, u64> = BTreeMap::new();
            expected.iter().for_each(|number| *counted.entry(*number).or_default() += 1);
            let counted = sorted(counted.into_iter().map(|(number, count)| format!("{number} {count}")));
            assert_same_lines(&lines(&counts), &counted, "counts");
        }
    });
}

/// A record of the rolling aggregations: its key, its number and a value.
type Row = (u64, u64, i64);

/// In one order, so that every key's rows have one.
fn rows(env: &StreamExecutionEnvironment, seed: u64) -> KeyedStream<Identity<Row>, u64, fn(&Row) -> u64> {
    env.generate(Some(ROWS), move |index| (row(seed, index), NO_TIMESTAMP))
        .set_parallelism(1)
        .key_by(|(key, _, _)| *key)
}

const ROWS: u64 = 15_000;

fn row(seed: u64, index: u64) -> Row {
    let random = random_at(seed, index);
    (random % 300, index, (random >> 32) as i64 % 1_000 - 500)
}

/// What a rolling aggregation yields: with each row its key's new value.
fn rolled(seed: u64, take_in: impl Fn(&mut Row, Row)) -> Vec<String> {
    let mut values: BTreeMap<u64, Row> = BTreeMap::new();
    let results = (0..ROWS).map(|index| row(seed, index)).map(|row| {
        let value = values.entry(row.0).and_modify(|value| take_in(value, row)).or_insert(row);
        format!("{value:?}")
    });
    sorted(results)
}

#[test]
fn rolling_aggregations_yield_every_value_on_the_way() {
    with_server(async |test| {
        for seed in seeds() {
            for backend in BACKENDS {
                let folders = ["reduce", "sum", "min", "max", "count"]
                    .map(|name| test.folder(&format!("{name}-{seed}-{backend}")));
                let [reduce, sum, min, max, count] = folders.each_ref();
                test.run(|env| {
                    env.set_parallelism(2).enable_checkpointing(10);
                    env.set_option("state.backend.type", backend).unwrap();
                    rows(env, seed)
                        .reduce(|sum, row| sum.2 = sum.2 * 3 % 1_001 - row.2)
                        .map(|row| format!("{row:?}"))
                        .write_as_text(reduce);
                    rows(env, seed).sum(|row| &mut row.2).map(|row| format!("{row:?}")).write_as_text(sum);
                    rows(env, seed).min(|row| &mut row.2).map(|row| format!("{row:?}")).write_as_text(min);
                    rows(env, seed).max(|row| &mut row.2).map(|row| format!("{row:?}")).write_as_text(max);
                    rows(env, seed).count().map(|counted| format!("{counted:?}")).write_as_text(count);
                })
                .await;
                let reduced = rolled(seed, |sum, row| sum.2 = sum.2 * 3 % 1_001 - row.2);
                assert_same_lines(&lines(reduce), &reduced, "reduce");
                assert_same_lines(&lines(sum), &rolled(seed, |sum, row| sum.2 += row.2), "sum");
                assert_same_lines(&lines(min), &rolled(seed, |min, row| min.2 = min.2.min(row.2)), "min");
                assert_same_lines(&lines(max), &rolled(seed, |max, row| max.2 = max.2.max(row.2)), "max");
                let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
                let counted = (0..ROWS).map(|index| {
                    let key = row(seed, index).0;
                    let count = counts.entry(key).or_default();
                    *count += 1;
                    format!("{:?}", (key, *count))
                });
                assert_same_lines(&lines(count), &sorted(counted), "count");
            }
        }
    });
}

#[test]
fn a_change_of_parallelism_loses_and_doubles_nothing() {
    with_server(async |test| {
        let [narrow, wide] = ["narrow", "wide"].map(|name| test.folder(name));
        let job = test
            .run(|env| {
                env.enable_checkpointing(5);
                let widened = env
                    .generate(Some(50_000), |index| (index, NO_TIMESTAMP))
                    .map(|number| number + 1)
                    .map(|number| number * 2)
                    .set_parallelism(2)
                    .filter(|number| number % 5 != 0);
                widened.rebalance(1).map(|number| format!("n{number}")).write_as_text(&narrow);
            })
            .await;
        assert_eq!(shape(&job), [1, 2, 1]);
        let partitionings: Vec<_> = job.graph.edges.iter().map(|edge| edge.partitioning).collect();
        assert_eq!(partitionings, [Partitioning::Rebalance, Partitioning::Rebalance]);
        let busy: BTreeSet<u32> = job.vertices[1]
            .iter()
            .filter(|subtask| subtask.metrics.records_in > 0)
            .map(|subtask| subtask.subtask.index)
            .collect();
        assert_eq!(busy, BTreeSet::from([0, 1]), "both subtasks have worked");
        let expected = (1..=50_000u64).map(|number| number * 2).filter(|number| number % 5 != 0);
        assert_same_lines(&lines(&narrow), &sorted(expected.map(|number| format!("n{number}"))), "1-2-1");

        let job = test
            .run(|env| {
                env.set_parallelism(2).enable_checkpointing(5);
                env.generate(Some(50_000), |index| (index, NO_TIMESTAMP))
                    .set_parallelism(1)
                    .key_by(|number| number % 1_000)
                    .count()
                    .set_parallelism(1)
                    .map(|(key, count)| format!("{key} {count}"))
                    .write_as_text(&wide)
                    .set_parallelism(2);
            })
            .await;
        assert_eq!(shape(&job), [1, 1, 2]);
        let expected = (0..1_000).flat_map(|key| (1..=50).map(move |count| format!("{key} {count}")));
        assert_same_lines(&lines(&wide), &sorted(expected), "1-1-2");
    });
}

/// The mean of some numbers.
#[derive(Clone)]
struct Mean;

impl AggregateFunction for Mean {
    type In = u64;
    type Acc = (u64, u64);
    type Out = f64;

    fn create(&self) -> (u64, u64) {
        (0, 0)
    }

    fn add(&self, (count, sum): &mut (u64, u64), value: u64) {
        *count += 1;
        *sum += value;
    }

    fn merge(&self, (count, sum): &mut (u64, u64), other: (u64, u64)) {
        *count += other.0;
        *sum += other.1;
    }

    fn result(&self, (count, sum): &(u64, u64)) -> f64 {
        *sum as f64 / *count as f64
    }
}

#[test]
fn an_aggregation_before_the_shuffle_makes_no_difference_with_few_keys_or_many() {
    const RECORDS: u64 = 150_000;
    with_server(async |test| {
        // Few keys are merged where they arise. Of many, the first sample shows that merging doesn't pay.
        for keys in [3, 100_000] {
            for backend in BACKENDS {
                let folder = test.folder(&format!("{keys}-{backend}"));
                let job = test
                    .run(|env| {
                        env.set_parallelism(2).enable_checkpointing(100);
                        env.set_option("state.backend.type", backend).unwrap();
                        numbers(env, keys, RECORDS, keys * 10)
                            .key_by(move |number| number % keys)
                            .window(EndOfStreamWindows::get())
                            .aggregate(Mean, |key, _, mean| format!("{key} {mean}"))
                            .write_as_text(&folder);
                    })
                    .await;
                let mut means: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
                for number in plain(keys, RECORDS, keys * 10) {
                    Mean.add(means.entry(number % keys).or_default(), number);
                }
                let expected = means.iter().map(|(key, mean)| format!("{key} {}", Mean.result(mean)));
                assert_same_lines(&lines(&folder), &sorted(expected), &format!("{keys} keys, {backend}"));
                let crossed: u64 = job.vertices[0].iter().map(|subtask| subtask.metrics.records_out).sum();
                let is_merged = crossed < RECORDS / 10;
                assert_eq!(is_merged, keys == 3, "{crossed} rows of {keys} keys crossed the shuffle");
            }
        }
    });
}
