//! Load for an OpenID provider: the whole code flow, again and again, over connections that stay open.
//!
//! One flow is a pushed request (RFC 9126), the authorization endpoint with a session that exists and consent that was
//! given, the redemption of the code with its PKCE verifier, and the claims. What to call comes as JSON on standard
//! input, so that no secret stands in the arguments; the figures go to standard output as JSON.

use std::io::Read;
use std::process::ExitCode;
use std::time::{Duration, Instant};

mod flow;
mod http;

use flow::{Flow, Target};
use serde::{Deserialize, Serialize};

/// What to call and how long.
#[derive(Debug, Deserialize)]
struct Order {
    #[serde(flatten)]
    target: Target,
    /// Connections, each with a thread and one flow at a time.
    connections: u16,
    /// Flows of this time at the start are not counted.
    warm_up_seconds: f64,
    /// Flows of this time are.
    seconds: f64,
}

/// What it came to.
#[derive(Debug, Serialize)]
struct Figures {
    /// Flows that ended within the time.
    flows: usize,
    /// Flows a second.
    rate: f64,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

fn main() -> ExitCode {
    match run() {
        Ok(figures) => {
            println!("{figures}");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("code-flow: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<String, String> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|e| format!("standard input: {e}"))?;
    let order: Order = serde_json::from_str(&text).map_err(|e| format!("standard input: {e}"))?;
    let figures = measure(&order)?;
    serde_json::to_string(&figures).map_err(|e| e.to_string())
}

/// Runs the flows; the first that fails ends the measurement, since a rate of refusals means nothing.
fn measure(order: &Order) -> Result<Figures, String> {
    let counted =
        Duration::try_from_secs_f64(order.seconds).map_err(|e| format!("seconds: {e}"))?;
    let warm_up = Duration::try_from_secs_f64(order.warm_up_seconds)
        .map_err(|e| format!("warm_up_seconds: {e}"))?;
    let from = Instant::now() + warm_up;
    let until = from + counted;
    let times = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..order.connections)
            .map(|number| scope.spawn(move || one_connection(&order.target, number, from, until)))
            .collect();
        let mut times = Vec::new();
        for thread in threads {
            times.extend(
                thread
                    .join()
                    .map_err(|_| "a thread ended by itself".to_owned())??,
            );
        }
        Ok::<_, String>(times)
    })?;
    summarise(times, counted)
}

fn one_connection(
    target: &Target,
    number: u16,
    from: Instant,
    until: Instant,
) -> Result<Vec<Duration>, String> {
    let mut flow = Flow::connect(target, number)?;
    let mut times = Vec::new();
    loop {
        let began = Instant::now();
        flow.run()?;
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
    let last = times.len().checked_sub(1).ok_or("no flow ended in time")?;
    let at = |percent: usize| {
        times
            .get(last * percent / 100)
            .map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    };
    let flows = times.len();
    let whole = u32::try_from(flows).map_err(|_| "more flows than can be counted")?;
    Ok(Figures {
        flows,
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
        assert_eq!(figures.flows, 200);
        assert!((figures.rate - 100.0).abs() < f64::EPSILON);
        assert!((figures.p50_ms - 100.0).abs() < 1e-9);
        assert!((figures.p99_ms - 198.0).abs() < 1e-9);
        assert!((figures.max_ms - 200.0).abs() < 1e-9);
        assert!(summarise(Vec::new(), Duration::from_secs(1)).is_err());
    }
}
