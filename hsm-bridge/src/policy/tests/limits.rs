//! Rates, ceilings and hours.

use proptest::prelude::*;

use super::super::{Used, Window};
use super::*;

const SIGN: (&str, Operation, &str) = ("ca", Operation::Sign, "sign/x");

fn limited(words: &str) -> Policy {
    Policy::parse(&format!(
        "[[grant]]\ncaller = \"ca\"\nkeys = \"sign/*\"\noperations = [\"sign\"]\n{words}"
    ))
    .unwrap()
}

fn is_busy(outcome: &Result<(), KeyStoreError>) -> bool {
    matches!(outcome, Err(KeyStoreError::Busy(_)))
}

#[test]
fn a_spent_rate_is_busy_and_fills_again() {
    let policy = Policy::parse(HOUSE).unwrap();
    let start = Instant::now();
    let sign = |after| ask(&policy, SIGN, now(start + Duration::from_millis(after), 0));
    assert_eq!((sign(0), sign(0)), (Ok(()), Ok(())));
    assert!(is_busy(&sign(0)));
    assert_eq!(sign(500), Ok(()));
    assert!(is_busy(&sign(500)));
}

#[test]
fn the_day_ends_at_midnight_in_utc_and_a_clock_set_back_opens_none() {
    let policy = limited("per_day = 2");
    let start = Instant::now();
    let sign = |at| ask(&policy, SIGN, now(start, at));
    let day = DAY.as_secs();
    assert_eq!((sign(0), sign(day - 1)), (Ok(()), Ok(())));
    assert!(is_busy(&sign(day - 1)));
    assert_eq!(sign(day), Ok(()));
    assert_eq!(sign(day - 1), Ok(()));
    assert!(is_busy(&sign(day - 1)) && is_busy(&sign(day)));
}

#[test]
fn what_is_refused_for_the_rate_does_not_count_for_the_day() {
    let policy = limited("rate = 1\nper_day = 2");
    let start = Instant::now();
    let sign = |after| ask(&policy, SIGN, now(start + Duration::from_secs(after), 0));
    assert_eq!(sign(0), Ok(()));
    assert!(is_busy(&sign(0)) && is_busy(&sign(0)));
    assert_eq!(sign(1), Ok(()));
    assert!(is_busy(&sign(9)));
}

#[test]
fn a_restart_opens_no_second_day() {
    let key = label("sign/x");
    let start = Instant::now();
    let used = |count| Used {
        caller: "ca",
        operation: Operation::Sign,
        label: &key,
        count,
    };
    let policy = limited("per_day = 5");
    policy.preload(utc(0), [used(3), used(1)]);
    assert_eq!(ask(&policy, SIGN, now(start, 10)), Ok(()));
    assert!(is_busy(&ask(&policy, SIGN, now(start, 11))));
    assert_eq!(ask(&policy, SIGN, now(start, DAY.as_secs())), Ok(()));
    // Another day's and another key's uses are not this day's.
    let policy = limited("per_day = 1");
    policy.preload(utc(DAY.as_secs()), [used(1)]);
    policy.preload(utc(0), [used(1)]);
    let other = label("other/x");
    let elsewhere = Used {
        label: &other,
        ..used(1)
    };
    let policy_two = limited("per_day = 1");
    policy_two.preload(utc(0), [elsewhere]);
    assert!(is_busy(&ask(&policy, SIGN, now(start, DAY.as_secs()))));
    assert_eq!(ask(&policy_two, SIGN, now(start, 0)), Ok(()));
}

#[test]
fn a_second_grant_pays_when_the_first_is_spent() {
    let policy = Policy::parse(
        "[[grant]]\ncaller = \"ca\"\nkeys = \"sign/*\"\noperations = [\"sign\"]\nper_day = 1\n\
         [[grant]]\ncaller = \"ca\"\nkeys = \"sign/x\"\noperations = [\"sign\"]\nper_day = 1\n",
    )
    .unwrap();
    let sign = |key| {
        ask(
            &policy,
            ("ca", Operation::Sign, key),
            now(Instant::now(), 0),
        )
    };
    assert_eq!((sign("sign/x"), sign("sign/x")), (Ok(()), Ok(())));
    assert!(is_busy(&sign("sign/x")) && is_busy(&sign("sign/y")));
}

#[test]
fn a_window_opens_and_closes_on_its_minute() {
    let policy = limited("window = \"08:00-17:30\"");
    let sign = |hour: u64, minute: u64, second: u64| {
        ask(
            &policy,
            SIGN,
            now(Instant::now(), hour * 3600 + minute * 60 + second),
        )
    };
    for (time, open) in [
        ((7, 59, 59), false),
        ((8, 0, 0), true),
        ((17, 29, 59), true),
        ((17, 30, 0), false),
        ((0, 0, 0), false),
    ] {
        let expected = if open {
            Ok(())
        } else {
            Err(KeyStoreError::NotPermitted)
        };
        assert_eq!(sign(time.0, time.1, time.2), expected, "{time:?}");
    }
}

#[test]
fn digests_are_those_of_the_grant() {
    let policy = limited("digests = [\"sha384\", \"sha512\"]");
    let label = label("sign/x");
    for (scheme, allowed) in [
        (SignatureScheme::EcdsaP256Sha256, false),
        (SignatureScheme::RsaPssSha256, false),
        (SignatureScheme::EcdsaP384Sha384, true),
        (SignatureScheme::Ed25519, true),
    ] {
        let outcome = policy.authorise(&Ask {
            caller: "ca",
            operation: Operation::Sign,
            label: &label,
            signature: Some(Signature {
                scheme,
                payload: Payload::Message,
            }),
            now: now(Instant::now(), 0),
        });
        assert_eq!(outcome.is_ok(), allowed, "{scheme:?}");
    }
}

proptest! {
    #[test]
    fn a_window_holds_the_minutes_one_counts_by_hand(from in 0u64..1440, length in 1u64..1440, minute in 0u64..1440, second in 0u64..60) {
        let to = (from + length) % 1440;
        let text = format!("{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60);
        let window = Window::try_from(text).unwrap();
        let by_hand = (0..length).any(|step| (from + step) % 1440 == minute);
        prop_assert_eq!(window.contains(utc(minute * 60 + second)), by_hand);
    }

    /// A bucket's level is the least of what the past leaves of it: from any earlier use, a full bucket and what flowed in since,
    /// less what was taken since. A day's uses are counted as they come.
    #[test]
    fn rate_and_day_agree_with_a_model_that_remembers_everything(
        rate in proptest::option::of(1u32..5),
        per_day in proptest::option::of(1u64..12),
        before in 0u64..4,
        steps in proptest::collection::vec((0u64..900_000, 0u64..20_000, proptest::bool::weighted(0.05)), 1..80),
    ) {
        let line = |word: &str, most: Option<u64>| most.map_or_else(String::new, |most| format!("{word} = {most}\n"));
        let policy = limited(&(line("rate", rate.map(u64::from)) + &line("per_day", per_day)));
        let key = label("sign/x");
        policy.preload(utc(0), [Used { caller: "ca", operation: Operation::Sign, label: &key, count: before }]);

        let start = Instant::now();
        let (mut micros, mut wall) = (0u64, 0u64);
        let mut taken: Vec<u64> = Vec::new();
        let (mut day, mut used) = (0u64, before);
        for (later, seconds, back) in steps {
            micros += later;
            wall = if back { wall.saturating_sub(100_000) } else { wall + seconds };
            if wall / DAY.as_secs() > day {
                (day, used) = (wall / DAY.as_secs(), 0);
            }
            let day_left = per_day.is_none_or(|most| used < most);
            let rate_left = rate.is_none_or(|rate| {
                let rate = u64::from(rate);
                let full = rate * 1_000_000;
                let level = |(index, at): (usize, &u64)| {
                    let since = u64::try_from(taken.len() - index).unwrap();
                    (full + (micros - at) * rate).saturating_sub(since * 1_000_000)
                };
                taken.iter().enumerate().map(level).fold(full, u64::min) >= 1_000_000
            });
            let outcome = ask(&policy, SIGN, Now { instant: start + Duration::from_micros(micros), utc: utc(wall) });
            prop_assert_eq!(outcome.is_ok(), day_left && rate_left);
            if outcome.is_ok() {
                used += 1;
                taken.push(micros);
            } else {
                prop_assert!(is_busy(&outcome));
            }
        }
    }
}

#[test]
fn a_key_signs_until_the_end_of_its_period_and_is_destroyed_after_it() {
    let text = "[[grant]]\ncaller = \"ca\"\nkeys = \"ocsp/*\"\noperations = [\"sign\", \"destroy\"]\n\
        [[key]]\nkeys = \"ocsp/*\"\nuntil = 2026-06-01T00:00:05Z\n";
    let policy = Policy::parse(text).unwrap();
    let at = |operation, seconds| {
        let now = now(Instant::now(), seconds);
        ask(&policy, ("ca", operation, "ocsp/g1"), now)
    };
    assert_eq!(at(Operation::Sign, 4), Ok(()));
    assert_eq!(at(Operation::Sign, 5), Err(KeyStoreError::NotPermitted));
    assert_eq!(at(Operation::Destroy, 5), Ok(()));
    let local = text.replace("05Z", "05");
    assert!(Policy::parse(&local).unwrap_err().contains("until"));
}
