//! What the log costs; figures, not judgements.

use std::hint::black_box;
use std::time::Instant;

use super::super::{Durability, daily_count, verify};
use super::{at, label, open, used};
use crate::verify::OpenSslVerifier;

#[test]
#[ignore = "measures; run it alone, in release mode, with --nocapture"]
fn figures() {
    const LINES: u32 = 400_000;
    const WAITERS: u32 = 16;
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path()).unwrap();
    let key = label("ca/persons/g1");
    let record = used("ca", &key, "done");
    let mut took = Vec::with_capacity(LINES as usize);
    let began = Instant::now();
    for _ in 0..LINES {
        let one = Instant::now();
        black_box(log.append(&record, at(0), Durability::Buffered)).unwrap();
        took.push(one.elapsed());
    }
    let all = began.elapsed();
    took.sort();
    let part = |of: usize| took[took.len() * of / 1000];
    println!(
        "buffered: {:?} a line; p50 {:?} p99 {:?} p99.9 {:?} most {:?}",
        all / LINES,
        part(500),
        part(990),
        part(999),
        took.last().unwrap()
    );
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..WAITERS {
            scope.spawn(|| {
                for _ in 0..200 {
                    log.append(&record, at(0), Durability::Synced).unwrap();
                }
            });
        }
    });
    let all = began.elapsed();
    println!(
        "synced: {:?} a line with {WAITERS} threads",
        all / (WAITERS * 200)
    );
    let began = Instant::now();
    for _ in 0..200 {
        log.append(&record, at(0), Durability::Synced).unwrap();
    }
    println!("synced: {:?} a line with one thread", began.elapsed() / 200);
    let began = Instant::now();
    let report = verify(folder.path(), &[], None, &OpenSslVerifier).unwrap();
    println!(
        "verified: {} lines in {:?}",
        report.lines(),
        began.elapsed()
    );
    let began = Instant::now();
    let counted = daily_count(folder.path(), at(0), |_, _, _| true).unwrap();
    println!(
        "counted: {} in {:?}",
        counted.values().sum::<u64>(),
        began.elapsed()
    );
    drop(log);
    let began = Instant::now();
    drop(open(folder.path()).unwrap());
    println!("opened again: {:?}", began.elapsed());
}
