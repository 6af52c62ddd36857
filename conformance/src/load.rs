//! Load on a running service: the same act again and again over several connections, counted and timed.

use std::io::Read;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub mod http;

/// How many and how long.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Shape {
    /// Connections, each with a thread and one act at a time.
    pub connections: u16,
    /// Acts of this time at the start are not counted.
    pub warm_up_seconds: f64,
    /// Acts of this time are.
    pub seconds: f64,
}

/// What it came to.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// Acts that ended within the time.
    pub acts: usize,
    /// Acts a second.
    pub rate: f64,
    /// Median time of an act.
    pub p50_ms: f64,
    /// Time that 99 of 100 acts did not exceed.
    pub p99_ms: f64,
    /// The longest time.
    pub max_ms: f64,
}

/// One connection's way of doing the act.
pub trait Actor {
    /// Does it once; any answer but the expected one is an error.
    fn act(&mut self) -> Result<(), String>;
}

/// Reads an order in JSON from standard input: no secret has to stand in the arguments.
pub fn read_order<T: DeserializeOwned>() -> Result<T, String> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|e| format!("standard input: {e}"))?;
    serde_json::from_str(&text).map_err(|e| format!("standard input: {e}"))
}

/// Acts on every connection at once, each prepared before the time starts; the first act that fails ends the
/// measurement, since a rate of refusals means nothing.
pub fn measure<A: Actor + Send>(
    shape: Shape,
    prepare: impl Fn(u16) -> Result<A, String>,
) -> Result<Figures, String> {
    let seconds =
        |name: &str, value| Duration::try_from_secs_f64(value).map_err(|e| format!("{name}: {e}"));
    let counted = seconds("seconds", shape.seconds)?;
    let warm_up = seconds("warm_up_seconds", shape.warm_up_seconds)?;
    let actors = (0..shape.connections)
        .map(prepare)
        .collect::<Result<Vec<_>, _>>()?;
    let from = Instant::now() + warm_up;
    let until = from + counted;
    let times = std::thread::scope(|scope| {
        let threads: Vec<_> = actors
            .into_iter()
            .map(|actor| scope.spawn(move || repeat(actor, from, until)))
            .collect();
        let mut times = Vec::new();
        for thread in threads {
            let ended = thread
                .join()
                .map_err(|_| "a thread ended by itself".to_owned())?;
            times.extend(ended?);
        }
        Ok::<_, String>(times)
    })?;
    summarise(times, counted)
}

fn repeat(mut actor: impl Actor, from: Instant, until: Instant) -> Result<Vec<Duration>, String> {
    let mut times = Vec::new();
    loop {
        let began = Instant::now();
        actor.act()?;
        let ended = Instant::now();
        if ended >= until {
            return Ok(times);
        }
        if ended >= from {
            times.push(ended - began);
        }
    }
}

fn summarise(mut times: Vec<Duration>, counted: Duration) -> Result<Figures, String> {
    times.sort_unstable();
    let last = times.len().checked_sub(1).ok_or("no act ended in time")?;
    let at = |percent: usize| {
        times
            .get(last * percent / 100)
            .map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    };
    let acts = times.len();
    let whole = u32::try_from(acts).map_err(|_| "more acts than can be counted")?;
    Ok(Figures {
        acts,
        rate: f64::from(whole) / counted.as_secs_f64(),
        p50_ms: at(50),
        p99_ms: at(99),
        max_ms: at(100),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sorted_times() {
        let times = (1..=200).rev().map(Duration::from_millis).collect();
        let figures = summarise(times, Duration::from_secs(2)).unwrap();
        assert_eq!(figures.acts, 200);
        assert!((figures.rate - 100.0).abs() < f64::EPSILON);
        assert!((figures.p50_ms - 100.0).abs() < 1e-9);
        assert!((figures.p99_ms - 198.0).abs() < 1e-9);
        assert!((figures.max_ms - 200.0).abs() < 1e-9);
        assert!(summarise(Vec::new(), Duration::from_secs(1)).is_err());
    }

    struct Failing;
    impl Actor for Failing {
        fn act(&mut self) -> Result<(), String> {
            Err("refused".to_owned())
        }
    }

    #[test]
    fn a_refusal_ends_the_measurement() {
        let shape = Shape {
            connections: 2,
            warm_up_seconds: 0.0,
            seconds: 60.0,
        };
        assert_eq!(measure(shape, |_| Ok(Failing)).unwrap_err(), "refused");
        let none = |_| Err::<Failing, _>("no connection".to_owned());
        assert_eq!(measure(shape, none).unwrap_err(), "no connection");
    }
}
