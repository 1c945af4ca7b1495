use headwater_actors::{
    operator::SourceStatus,
    source::{Source, SourceReader},
};
use headwater_connectors::generator::{GeneratorSource, random_at};
use headwater_core::ids::CheckpointId;
use proptest::prelude::*;

use crate::harness::{Harness, read_now};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Each element of `reads` is a batch size, and whether what was read before it is covered by a checkpoint that the source
    /// is restored from after reading this batch in vain.
    #[test]
    fn every_record_is_made_once_whatever_is_restored(
        seed: u64, count in 0u64..500, parallelism in 1u32..5,
        reads in prop::collection::vec((1usize..100, any::<bool>()), 1..20),
    ) {
        let harness = Harness::new(parallelism);
        let source = GeneratorSource::new(move |index| (random_at(seed, index), index as i64)).count(count);
        let mut made = Vec::new();
        for index in 0..parallelism {
            let mut reader = source.open(&harness.context(index), None).unwrap();
            for (rows_max, fails) in reads.iter().cycle() {
                let position = reader.snapshot(CheckpointId::FIRST).unwrap();
                let (batch, status) = read_now(&mut reader, *rows_max).unwrap();
                prop_assert!(batch.len() <= *rows_max);
                if *fails {
                    reader = source.open(&harness.context(index), Some(&position)).unwrap();
                    let (again, _) = read_now(&mut reader, *rows_max).unwrap();
                    prop_assert_eq!(&again, &batch);
                }
                if status == SourceStatus::End {
                    break;
                }
                made.extend(batch.timestamps.into_iter().zip(batch.values));
            }
        }
        made.sort_unstable();
        let expected: Vec<_> = (0..count).map(|index| (index as i64, random_at(seed, index))).collect();
        prop_assert_eq!(made, expected);
    }
}

#[test]
fn another_parallelism_is_refused_since_it_would_deal_records_out_twice() {
    let source = GeneratorSource::new(|index| (index, 0));
    let position =
        source.open(&Harness::new(2).context(0), None).unwrap().snapshot(CheckpointId::FIRST).unwrap();
    let error = source.open(&Harness::new(3).context(0), Some(&position)).err().expect("it was 2 before");
    assert!(error.to_string().contains("expected 2"), "{error}");
}
