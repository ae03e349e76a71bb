//! Measures rate, waiting time and processor time of an operation by several callers at once, on one server or on two
//! in turns.

use super::operations::Operation;
use super::stage::Stage;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The measurements of an operation on one server.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Measured {
    pub calls: u64,
    /// requests per second
    pub rate: f64,
    /// milliseconds until the answer came: the median, the 99th percentile, the longest
    pub p50: f64,
    pub p99: f64,
    pub worst: f64,
    /// microseconds of processor time for one request, of the server and of the database's own processes
    pub server: f64,
    pub database: f64,
    /// the rate divided by the limit's; several where there are several limits
    pub of_limit: Vec<(String, f64)>,
}

impl Measured {
    /// Microseconds of processor time for one request, of server and database together.
    pub fn processor(&self) -> f64 {
        self.server + self.database
    }
}

/// The calls that were made, and how long each took.
#[derive(Default)]
struct Calls {
    micros: Vec<u32>,
    seconds: f64,
    server: f64,
    database: f64,
}

static NUMBER: AtomicU64 = AtomicU64::new(0);

/// Measures an operation on each stage, in turns, for `seconds` in total on each.
pub fn measure(stages: &[&Stage], operation: &Operation, seconds: f64, turns: u32) -> Vec<Measured> {
    let mut all: Vec<Calls> = stages.iter().map(|_| Calls::default()).collect();
    for stage in stages {
        // once without measuring: what is prepared at the first call is not a cost of the others
        turn(stage, operation, 0.0, &mut Calls::default());
    }
    for _ in 0..turns {
        for (stage, calls) in stages.iter().zip(&mut all) {
            turn(stage, operation, seconds / f64::from(turns), calls);
        }
    }
    all.into_iter().map(measured).collect()
}

/// All callers call until the time is over, each at least once.
fn turn(stage: &Stage, operation: &Operation, seconds: f64, calls: &mut Calls) {
    let (server, database) = (stage.server.processor(), stage.server.base.processor());
    let begin = Instant::now();
    let micros = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..operation.connections)
            .map(|_| {
                scope.spawn(|| {
                    let (mut client, mut micros) = (stage.client(), Vec::new());
                    loop {
                        let begun = Instant::now();
                        (operation.act)(stage, &mut client, NUMBER.fetch_add(1, Ordering::Relaxed));
                        micros.push(u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX));
                        if begin.elapsed() >= Duration::from_secs_f64(seconds) {
                            return micros;
                        }
                    }
                })
            })
            .collect();
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect::<Vec<u32>>()
    });
    calls.seconds += begin.elapsed().as_secs_f64();
    calls.micros.extend(micros);
    calls.server += stage.server.processor() - server;
    calls.database += stage.server.base.processor() - database;
}

fn measured(mut calls: Calls) -> Measured {
    calls.micros.sort_unstable();
    let count = calls.micros.len();
    let at = |part: f64| {
        let place = ((count as f64 * part).ceil() as usize).clamp(1, count) - 1;
        f64::from(calls.micros[place]) / 1e3
    };
    let each = |seconds: f64| seconds * 1e6 / count as f64;
    Measured {
        calls: count as u64,
        rate: count as f64 / calls.seconds,
        p50: at(0.5),
        p99: at(0.99),
        worst: at(1.0),
        server: each(calls.server),
        database: each(calls.database),
        of_limit: Vec::new(),
    }
}

/// Calls per second of `work` by several threads.
pub fn rate(threads: usize, seconds: f64, work: impl Fn(&mut super::client::Client) + Sync, port: u16) -> f64 {
    let begin = Instant::now();
    let calls: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let (mut client, mut calls) = (super::client::Client::connect(port), 0);
                    while begin.elapsed() < Duration::from_secs_f64(seconds) {
                        work(&mut client);
                        calls += 1;
                    }
                    calls
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    calls as f64 / begin.elapsed().as_secs_f64()
}
