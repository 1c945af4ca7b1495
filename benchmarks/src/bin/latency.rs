//! From a typed line to its result: a socket word count in tumbling windows of 100 ms of processing time, and one without
//! windows, which yields a result for every word. With the journal, which syncs a line to the disk before it is processed, and
//! without.
//!
//! `cargo run --release -p headwater-benchmarks --bin latency`

use std::{
    io::{ErrorKind, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, ensure};
use clap::Parser;
use headwater::{
    connectors::generator::random_at,
    core::{
        job::{ArgValue, Args},
        options::JobOptions,
    },
    prelude::*,
};
use headwater_actors::{
    batch::Batch,
    context::{TaskContext, TaskError},
    sink::{Sink, SinkWriter},
};
use headwater_benchmarks::{Aim, load_average, on_server, print_header, print_row, spec_of};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const AIM_MS: Aim = Aim(5.0);
const WINDOW_MS: u64 = 100;

/// Lines that are typed before the first sample: connections, caches and the allocator warm up.
const WARM_UP_LINES: usize = 20;

/// A line without a result for so long is lost.
const DEADLINE: Duration = Duration::from_secs(30);

const PROGRAM: Program = Program::new(
    "line_latency",
    "Counts the words of the lines that come from a socket, and notes when results come",
    &[
        ArgSpec { name: "port", kind: ArgKind::Integer, help: "of the lines", default: None, required: true },
        flag("journal", "keep lines in a journal"),
        flag("window", "count in windows"),
    ],
    line_latency,
);

const fn flag(name: &'static str, help: &'static str) -> ArgSpec {
    ArgSpec { name, kind: ArgKind::Flag, help, default: None, required: true }
}

fn line_latency(env: &StreamExecutionEnvironment, args: &ProgramArgs) -> Result<(), ProgramError> {
    let port: u16 = args.required_in("port", 1..=65535)?;
    let source = SocketSource::new("127.0.0.1", port).journal(args.flag("journal"));
    let words = env
        .from_source("Lines", source)
        .set_parallelism(1)
        .flat_map(|line, out| line.split_whitespace().for_each(|word| out.collect(Str::from(word))))
        .map(|word| (word, 1u64))
        .key_by(|(word, _)| word.clone());
    let counts = if args.flag("window") {
        words
            .window(TumblingProcessingTimeWindows::of(Duration::from_millis(WINDOW_MS)))
            .sum(|(_, count)| count)
    } else {
        words.sum(|(_, count)| count)
    };
    counts.sink_to("Arrivals", ArrivalSink);
    env.execute("Line latency")
}

/// A word that came out.
struct Arrival {
    word: Str,
    at: SystemTime,
    /// The last millisecond of its window, if there is one.
    timestamp_ms: TimestampMs,
}

/// Where the sink of the running job sends arrivals.
static ARRIVALS: Mutex<Option<Sender<Arrival>>> = Mutex::new(None);

struct ArrivalSink;

struct ArrivalWriter(Sender<Arrival>);

impl Sink<(Str, u64)> for ArrivalSink {
    type Writer = ArrivalWriter;

    fn open(&self, _: &TaskContext, _: Option<&[u8]>, _: &[&[u8]]) -> Result<ArrivalWriter, TaskError> {
        let sender = ARRIVALS.lock().unwrap_or_else(PoisonError::into_inner).clone();
        sender.map(ArrivalWriter).ok_or_else(|| TaskError::Connector("nobody waits for arrivals".to_owned()))
    }
}

impl SinkWriter<(Str, u64)> for ArrivalWriter {
    fn write(&mut self, batch: &mut Batch<(Str, u64)>) -> Result<(), TaskError> {
        let at = SystemTime::now();
        for ((word, _), timestamp_ms) in batch.drain() {
            // Who waited for it may have given up.
            let _ = self.0.send(Arrival { word, at, timestamp_ms });
        }
        Ok(())
    }
}

/// Latency from a typed line to its result.
#[derive(Parser)]
struct Options {
    /// Lines typed per row of the result.
    #[arg(long, default_value_t = 300)]
    lines: usize,
    /// Subtasks of the word count.
    #[arg(long, default_value_t = 2)]
    parallelism: u32,
}

#[derive(Clone, Copy)]
struct Cell {
    window: bool,
    journal: bool,
}

/// What was measured in one cell, in milliseconds.
#[derive(Default)]
struct Latencies {
    /// From the write of the line to the result; less, with windows, what was left of the line's window.
    above_window: Vec<f64>,
    /// Lines that were in time for a window but were counted in a later one.
    missed_window: usize,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    print_header(&format!("line to result, ms (load average {:.1})", load_average()?));
    for window in [true, false] {
        for journal in [true, false] {
            let cell = Cell { window, journal };
            let latencies = run_cell(&options, cell)?;
            let above = if window { "above a window of 100 ms" } else { "without a window" };
            let journal = if journal { "with journal" } else { "no journal" };
            print_row(&format!("{above}, {journal}"), &latencies.above_window, Some(AIM_MS));
            if latencies.missed_window > 0 {
                println!("  {} lines were counted in a later window", latencies.missed_window);
            }
        }
    }
    println!("load average at the end {:.1}", load_average()?);
    Ok(())
}

fn run_cell(options: &Options, cell: Cell) -> anyhow::Result<Latencies> {
    let (arrived, arrivals) = channel();
    *ARRIVALS.lock().unwrap_or_else(PoisonError::into_inner) = Some(arrived);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let args = Args::from([
        ("port".to_owned(), ArgValue::Integer(i64::from(listener.local_addr()?.port()))),
        ("journal".to_owned(), ArgValue::Flag(cell.journal)),
        ("window".to_owned(), ArgValue::Flag(cell.window)),
    ]);
    let job_options = JobOptions { parallelism: options.parallelism, ..JobOptions::default() };
    let lines = options.lines;
    on_server(PROGRAM, options.parallelism as usize, async |server| {
        let job = server.dispatcher.submit(spec_of(&PROGRAM, args, job_options)).await?;
        let typed = tokio::task::spawn_blocking(move || type_lines(&listener, &arrivals, cell, lines));
        let latencies = typed.await??;
        server.dispatcher.cancel(job, None).await?;
        server.dispatcher.wait_for_end(job).await?;
        Ok(latencies)
    })
}

/// Types a line, waits for its result, and again.
fn type_lines(
    listener: &TcpListener,
    arrivals: &Receiver<Arrival>,
    cell: Cell,
    lines: usize,
) -> anyhow::Result<Latencies> {
    let mut connection = accept(listener)?;
    connection.set_nodelay(true)?;
    let mut latencies = Latencies::default();
    for line in 0..WARM_UP_LINES + lines {
        // At any moment of a window.
        thread::sleep(Duration::from_micros(random_at(0, line as u64) % (WINDOW_MS * 1000)));
        let (written, arrival) = type_line(&mut connection, arrivals, line)?;
        if line < WARM_UP_LINES {
            continue;
        }
        let latency_ms = millis(arrival.at)? - millis(written)?;
        if !cell.window {
            latencies.above_window.push(latency_ms);
            continue;
        }
        let window_end_ms = (arrival.timestamp_ms + 1) as f64;
        latencies.above_window.push(millis(arrival.at)? - window_end_ms);
        latencies.missed_window += usize::from(window_end_ms - millis(written)? > WINDOW_MS as f64);
    }
    Ok(latencies)
}

/// The source's connection.
fn accept(listener: &TcpListener) -> anyhow::Result<TcpStream> {
    listener.set_nonblocking(true)?;
    let deadline = Instant::now() + DEADLINE;
    loop {
        match listener.accept() {
            Ok((connection, _)) => {
                connection.set_nonblocking(false)?;
                return Ok(connection);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(1));
            }
            Err(error) => return Err(error).context("the source did not connect"),
        }
    }
}

fn type_line(
    connection: &mut TcpStream,
    arrivals: &Receiver<Arrival>,
    line: usize,
) -> anyhow::Result<(SystemTime, Arrival)> {
    let word = format!("word-{line}");
    let written = SystemTime::now();
    connection.write_all(format!("{word}\n").as_bytes())?;
    let arrival = arrivals.recv_timeout(DEADLINE).context("a line's result did not come")?;
    ensure!(arrival.word == word, "expected the result of `{word}`, found that of `{}`", arrival.word);
    Ok((written, arrival))
}

fn millis(time: SystemTime) -> anyhow::Result<f64> {
    Ok(time.duration_since(SystemTime::UNIX_EPOCH)?.as_secs_f64() * 1e3)
}
