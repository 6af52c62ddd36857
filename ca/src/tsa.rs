//! The time-stamping authority (RFC 3161): a durable serial number, a clock that is believed, then a signature.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::audit::action;
use hsm_bridge::KeyLabel;
use jiff::Timestamp;
use pki::profile::ProfileName;
use pki::serial::SerialNumber;
use pki::tsp::{
    Accuracy, PkiFailureInfo, Rejection, Settings, TimeStampRequest, TimeStamper, TspError,
};
use service::{Sources, blocking};
use store::StoreError;
use store::ca::TimeStampRow;

use crate::app::App;
use crate::auth::Caller;
use crate::config::TsaConfig;
use crate::error::Error;
use crate::hierarchy::Hierarchy;

const MILLIS: u32 = 1_000;
const DAY: i64 = 24 * 60 * 60;
/// Drift of a clock that time synchronisation slews, in parts per million.
const SLEW_PPM: u128 = 500;
/// How far the clocks of two nodes may differ, in seconds.
const NODE_SKEW: i64 = 5;
/// The clock shows an earlier time than the newest token.
const CLOCK_BEHIND: &str = "the clock is behind the newest time-stamp";
/// How long no time is given after the clock was seen to jump.
const HOLD: Duration = Duration::from_mins(1);

/// The time-stamping unit, or the reason why there is none.
pub struct TimeStamping {
    unit: Option<Unit>,
    gate: ClockGate,
    keep_days: i64,
}

struct Unit {
    stamper: std::sync::Arc<TimeStamper>,
    key: KeyLabel,
    not_before: u64,
    not_after: u64,
    policy: String,
}

impl TimeStamping {
    /// The unit that the hierarchy has a certificate for.
    pub fn new(
        config: &TsaConfig,
        hierarchy: &Hierarchy,
        sources: &Sources,
    ) -> Result<Self, Error> {
        let gate = ClockGate::new(sources.now(), Duration::from_millis(config.max_step_millis));
        let unit = match hierarchy.service(ProfileName::Tsa) {
            None => None,
            Some(service) => {
                let issuer = hierarchy
                    .issuing
                    .iter()
                    .find(|authority| authority.id == service.issuer)
                    .ok_or_else(|| {
                        Error::Internal("a time-stamping unit of no authority".to_owned())
                    })?;
                let policy = hierarchy.policies.time_stamping();
                let dotted = policy.to_string();
                let settings = Settings {
                    policy,
                    accuracy: Accuracy {
                        seconds: config.accuracy_millis / MILLIS,
                        millis: u16::try_from(config.accuracy_millis % MILLIS)
                            .map_err(Error::internal)?,
                        micros: 0,
                    },
                    ordering: false,
                };
                let chain = vec![issuer.issuer.certificate.clone()];
                let certificate = service.certificate.clone();
                let (not_before, not_after) = (certificate.not_before(), certificate.not_after());
                let stamper =
                    TimeStamper::new(certificate, chain, settings).map_err(Error::internal)?;
                Some(Unit {
                    stamper: std::sync::Arc::new(stamper),
                    key: service.key.clone(),
                    not_before,
                    not_after,
                    policy: dotted,
                })
            }
        };
        Ok(Self {
            unit,
            gate,
            keep_days: config.keep_days,
        })
    }
}

/// Answers a request as it came over HTTP: always a TimeStampResp.
pub async fn respond(app: &App, der: &[u8]) -> Result<Vec<u8>, Error> {
    let answer = match TimeStampRequest::parse(der) {
        Ok(request) => make(app, request, TimeStamper::respond).await,
        Err(rejection) => Err(rejection),
    };
    answer.or_else(|rejection| {
        metrics::counter!("romduol_ca_time_stamps_rejected_total").increment(1);
        rejection.to_response().map_err(Error::internal)
    })
}

/// A bare token for a signature of ours, in this process.
pub async fn token(app: &App, request: TimeStampRequest) -> Result<Vec<u8>, Rejection> {
    make(app, request, TimeStamper::issue).await
}

type Make = fn(
    &TimeStamper,
    &TimeStampRequest,
    &SerialNumber,
    Timestamp,
    &dyn hsm_bridge::Signer,
) -> Result<Vec<u8>, TspError>;

async fn make(app: &App, request: TimeStampRequest, make: Make) -> Result<Vec<u8>, Rejection> {
    let inner = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "time-stamp not made");
        Rejection::new(
            PkiFailureInfo::SystemFailure,
            "the request cannot be handled now",
        )
    };
    let unit = app
        .time_stamping
        .unit
        .as_ref()
        .ok_or_else(|| inner(&"no time-stamping unit"))?;
    if request
        .policy
        .as_ref()
        .is_some_and(|policy| policy.to_string() != unit.policy)
    {
        return Err(Rejection::new(
            PkiFailureInfo::UnacceptedPolicy,
            "this policy is not offered",
        ));
    }
    let now = believed_time(app, unit)?;
    let number = reserve(app, unit, &request, now)
        .await
        .map_err(|error| match error {
            Error::Conflict(CLOCK_BEHIND) => {
                tracing::error!(%now, "the clock is behind the last time-stamp");
                Rejection::new(
                    PkiFailureInfo::TimeNotAvailable,
                    "the clock is not known to be right",
                )
            }
            other => inner(&other),
        })?;
    let serial = SerialNumber::from_bytes(&number.to_be_bytes()).map_err(|error| inner(&error))?;
    let (stamper, keys, key) = (
        std::sync::Arc::clone(&unit.stamper),
        app.keys.clone(),
        unit.key.clone(),
    );
    let outcome = blocking(&app.token_pool, move || {
        let signer = keys.signer(&key).map_err(TspError::Sign)?;
        make(&stamper, &request, &serial, now, &*signer)
    })
    .await
    .map_err(|error| inner(&error))?;
    outcome
        .map_err(|error| match &error {
            TspError::Rejected(_) => error.rejection(),
            _ => inner(&error),
        })
        .inspect(|_| metrics::counter!("romduol_ca_time_stamps_issued_total").increment(1))
}

/// The time, if there is reason to believe it.
fn believed_time(app: &App, unit: &Unit) -> Result<Timestamp, Rejection> {
    let now = app.sources.now();
    let second = u64::try_from(now.as_second()).unwrap_or_default();
    let in_validity = (unit.not_before..=unit.not_after).contains(&second);
    if app.time_stamping.gate.admits(now) && in_validity {
        return Ok(now);
    }
    tracing::error!(%now, in_validity, "the clock is not believed");
    metrics::counter!("romduol_ca_clock_refused_total").increment(1);
    Err(Rejection::new(
        PkiFailureInfo::TimeNotAvailable,
        "the clock is not known to be right",
    ))
}

/// Writes the record of a token before it is signed; refuses to go back behind the last one.
async fn reserve(
    app: &App,
    unit: &Unit,
    request: &TimeStampRequest,
    now: Timestamp,
) -> Result<i64, Error> {
    let keep = app.time_stamping.keep_days.saturating_mul(DAY);
    let row = TimeStampRow {
        serial: 0,
        policy: unit.policy.clone(),
        hash_oid: request.imprint.digest.oid().to_string(),
        imprint: request.imprint.hash.clone(),
        gen_time: now.as_second(),
        keep_until: now.as_second().saturating_add(keep),
    };
    let event = Caller::system().event(
        &app.sources,
        action::CA_TIMESTAMP_ISSUED,
        format!("tsa:{}", unit.key),
    );
    let number = app
        .store
        .write(event, move |w| {
            let last = w.last_gen_time()?.unwrap_or(i64::MIN);
            if row.gen_time.saturating_add(NODE_SKEW) < last {
                return Err(StoreError::Conflict(CLOCK_BEHIND));
            }
            let number = w.insert_time_stamp(row)?;
            w.note("serial", number);
            Ok(number)
        })
        .await?;
    Ok(number)
}

/// Compares the system's clock with the machine's monotonic one: a clock that jumps is not believed for a while.
struct ClockGate {
    tolerance: Duration,
    state: Mutex<GateState>,
}

#[derive(Clone, Copy)]
struct GateState {
    wall: Timestamp,
    monotonic: Instant,
    held_until: Option<Instant>,
}

impl ClockGate {
    fn new(now: Timestamp, tolerance: Duration) -> Self {
        let state = GateState {
            wall: now,
            monotonic: Instant::now(),
            held_until: None,
        };
        Self {
            tolerance,
            state: Mutex::new(state),
        }
    }

    fn admits(&self, now: Timestamp) -> bool {
        self.admits_at(now, Instant::now())
    }

    fn admits_at(&self, now: Timestamp, monotonic: Instant) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let wall_passed = now.duration_since(state.wall).as_millis();
        let really_passed = monotonic.duration_since(state.monotonic).as_millis();
        let difference = wall_passed.unsigned_abs().abs_diff(really_passed);
        let backwards = wall_passed < 0;
        let allowed = self.tolerance.as_millis() + really_passed * SLEW_PPM / 1_000_000;
        (state.wall, state.monotonic) = (now, monotonic);
        if difference > allowed || (backwards && wall_passed.unsigned_abs() > allowed) {
            state.held_until = Some(monotonic + HOLD);
        }
        match state.held_until {
            Some(until) if monotonic < until => false,
            _ => {
                state.held_until = None;
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(at: i64) -> Timestamp {
        Timestamp::from_second(at).expect("in range")
    }

    #[test]
    fn a_steady_clock_is_believed_and_a_jumping_one_is_not_for_a_while() {
        let gate = ClockGate::new(second(1_000), Duration::from_millis(500));
        let start = Instant::now();
        let after = |seconds: u64| start + Duration::from_secs(seconds);
        assert!(gate.admits_at(second(1_010), after(10)));
        assert!(
            !gate.admits_at(second(1_030), after(20)),
            "ten seconds too far"
        );
        assert!(!gate.admits_at(second(1_040), after(30)), "still held");
        assert!(
            gate.admits_at(second(1_091), after(81)),
            "steady for a minute again"
        );
        assert!(!gate.admits_at(second(1_080), after(82)), "backwards");
    }

    #[test]
    fn a_slewed_clock_is_believed() {
        let gate = ClockGate::new(second(0), Duration::from_millis(500));
        let start = Instant::now();
        let day = Duration::from_hours(24);
        assert!(gate.admits_at(second(86_420), start + day));
    }
}
