//! Reads a stretch of history, in as many steps as the reader wants.

use std::{collections::BTreeMap, io};

use headwater_core::{ids::VertexId, time::TimestampMs};

use super::{
    CHUNK_MS, COARSE_MS, HistoryConfig, Source, Unit,
    recorder::{File, Folded, Kind, files_of},
    series::{Fold, SeriesKey, definition},
};

const FINE_MS: TimestampMs = 1_000;
/// Values in one answer, over all series.
const VALUES_MAX: usize = 500_000;

/// What is asked for.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Query {
    pub(crate) from_ms: TimestampMs,
    /// Behind the last moment.
    pub(crate) to_ms: TimestampMs,
    /// Steps at most.
    pub(crate) points: usize,
    /// Only this vertex.
    pub(crate) vertex: Option<VertexId>,
    /// Only series of these names, unless there are none.
    pub(crate) names: Vec<String>,
}

/// What was found.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Answer {
    pub(crate) step_ms: TimestampMs,
    pub(crate) series: Vec<Series>,
}

/// One series. From the first step that anything is known of to the last there is a value for each, or `None`.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Series {
    pub(crate) key: SeriesKey,
    pub(crate) unit: Unit,
    pub(crate) fold: Fold,
    pub(crate) values: Vec<(TimestampMs, Option<f32>)>,
}

impl Query {
    fn wants(&self, key: &SeriesKey) -> bool {
        let is_vertex = self.vertex.is_none() || key.vertex == self.vertex;
        is_vertex && (self.names.is_empty() || self.names.contains(&key.name))
    }

    /// A whole number of `unit_ms`, so that as many samples are in each step.
    fn step_ms(&self, unit_ms: TimestampMs, points: usize) -> TimestampMs {
        let points = TimestampMs::try_from(points.max(1)).unwrap_or(TimestampMs::MAX);
        let length_ms = self.to_ms.saturating_sub(self.from_ms).max(unit_ms);
        (length_ms - 1).div_euclid(points.saturating_mul(unit_ms)).saturating_add(1).saturating_mul(unit_ms)
    }
}

pub(super) fn answer(config: &HistoryConfig, source: Source, query: &Query) -> io::Result<Answer> {
    let fs = config.fs.as_ref();
    let files = files_of(fs, &config.folder.join(source.to_string()))?;
    let in_range = |chunk| chunk < query.to_ms && chunk + CHUNK_MS > query.from_ms;
    let files: Vec<File> = files.into_iter().filter(|file| in_range(file.chunk())).collect();
    let has = |chunk, kind| files.iter().any(|file| file.kind == kind && file.chunk() == chunk);
    let is_coarse = files.iter().any(|file| !has(file.chunk(), Kind::Fine));
    let unit_ms = if is_coarse { COARSE_MS } else { FINE_MS };
    let step_ms = query.step_ms(unit_ms, query.points);
    // If steps are long enough, the coarse file is as good and much shorter.
    let best = if step_ms >= COARSE_MS { Kind::Coarse } else { Kind::Fine };
    let chosen = files.iter().filter(|file| file.kind == best || !has(file.chunk(), best));

    let mut bounded_step_ms = None;
    let mut folded = BTreeMap::<SeriesKey, (Unit, Fold, BTreeMap<TimestampMs, Folded>)>::new();
    for file in chosen {
        let Some(table) = file.read(fs)? else { continue };
        let wanted: Vec<(usize, &SeriesKey)> =
            table.series.iter().enumerate().filter(|(_, key)| query.wants(key)).collect();
        // The first table tells about how many series there are.
        let step_ms = *bounded_step_ms
            .get_or_insert_with(|| step_ms.max(query.step_ms(unit_ms, VALUES_MAX / wanted.len().max(1))));
        let in_range = |at_ms: TimestampMs| (query.from_ms..query.to_ms).contains(&at_ms);
        for (column, key) in wanted {
            let Some((unit, fold)) = definition(source, key) else { continue };
            let (_, _, steps) = folded.entry(key.clone()).or_insert_with(|| (unit, fold, BTreeMap::new()));
            for (at_ms, values) in table.rows.iter().filter(|(at_ms, _)| in_range(*at_ms)) {
                steps.entry(at_ms - at_ms.rem_euclid(step_ms)).or_default().add(values[column]);
            }
        }
    }
    let step_ms = bounded_step_ms.unwrap_or(step_ms);
    let known = || folded.values().flat_map(|(_, _, steps)| steps.keys().copied());
    let (Some(first), Some(last)) = (known().min(), known().max()) else {
        return Ok(Answer { step_ms, series: Vec::new() });
    };
    let series = folded.into_iter().map(|(key, (unit, fold, steps))| {
        let value = |at_ms| (at_ms, steps.get(&at_ms).and_then(|folded| folded.value(fold)));
        let step = usize::try_from(step_ms).unwrap_or(usize::MAX);
        Series { key, unit, fold, values: (first..=last).step_by(step).map(value).collect() }
    });
    Ok(Answer { step_ms, series: series.collect() })
}
