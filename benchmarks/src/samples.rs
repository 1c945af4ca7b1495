//! How samples are summed up and set against an aim.

/// From so many samples on, the 99th percentile is more than the largest one.
const P99_SAMPLES_MIN: usize = 200;

/// What a median should be at most.
#[derive(Debug, Clone, Copy)]
pub struct Aim(pub f64);

/// The middle value; of an even number the lower one of the two in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) / 2]
}

/// Prints what the columns of [`print_row`] are.
pub fn print_header(what: &str) {
    println!(
        "{what:<44} {:>8} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "samples", "median", "p99", "least", "most", "aim", "of aim"
    );
}

/// Prints a row: the median with the aim beside it as a ratio, which is below 1 where the aim is reached.
pub fn print_row(name: &str, values: &[f64], aim: Option<Aim>) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (Some(least), Some(most)) = (sorted.first(), sorted.last()) else {
        println!("{name:<44} {:>8}", 0);
        return;
    };
    let median = median(sorted.clone());
    let p99 = (sorted.len() >= P99_SAMPLES_MIN).then(|| sorted[(sorted.len() * 99).div_ceil(100) - 1]);
    let optional = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
    println!(
        "{name:<44} {:>8} {median:>9.2} {:>9} {least:>9.2} {most:>9.2} {:>9} {:>9}",
        sorted.len(),
        optional(p99),
        optional(aim.map(|Aim(aim)| aim)),
        optional(aim.map(|Aim(aim)| median / aim)),
    );
}
