//! The journeys of a case, and its invariants under any sequence of events.

use super::*;
use crate::kyc::ReasonCode;
use proptest::prelude::*;

const SUBJECT: Uuid = Uuid::from_u128(1000);

fn officer(number: u128) -> Officer {
    Officer {
        account: Uuid::from_u128(number),
        // Officer 5 is the applicant.
        person: if number == 5 {
            SUBJECT
        } else {
            Uuid::from_u128(number + 500)
        },
        supervisor: number >= 3,
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn decision(verdict: Verdict, digest: u8) -> Decision {
    Decision {
        verdict,
        reason: (verdict != Verdict::Approve).then_some(ReasonCode::DataDiffers),
        evidence_digest: [digest; 32],
    }
}

fn run(case: Case, events: &[Event]) -> Case {
    events
        .iter()
        .fold(case, |case, event| case.apply(event, at(0)).unwrap())
}

fn submitted() -> Case {
    run(
        Case::draft(SUBJECT),
        &[
            Event::Submit {
                evidence_digest: [7; 32],
            },
            Event::ChecksRecorded,
        ],
    )
}

fn decided(case: Case, who: u128, verdict: Verdict) -> Case {
    let who = officer(who);
    run(
        case,
        &[Event::Take(who), Event::Decide(who, decision(verdict, 7))],
    )
}

#[test]
fn two_officers_approve() {
    let case = decided(submitted(), 1, Verdict::Approve);
    assert_eq!(case.state, CaseState::Waiting(Stage::Second));
    assert_eq!(
        decided(case, 2, Verdict::Approve).state,
        CaseState::Approved
    );
}

#[test]
fn the_same_officer_twice_is_refused() {
    let case = decided(submitted(), 1, Verdict::Approve);
    assert_eq!(
        case.apply(&Event::Take(officer(1)), at(0)),
        Err(Refusal::SameOfficer)
    );
    let event = Event::Decide(officer(1), decision(Verdict::Approve, 7));
    assert_eq!(case.apply(&event, at(0)), Err(Refusal::SameOfficer));
}

#[test]
fn nobody_decides_on_their_own_application() {
    assert_eq!(
        submitted().apply(&Event::Take(officer(5)), at(0)),
        Err(Refusal::OwnApplication)
    );
}

#[test]
fn officers_who_differ_are_settled_by_a_supervisor() {
    let case = decided(
        decided(submitted(), 1, Verdict::Approve),
        2,
        Verdict::Refuse,
    );
    assert_eq!(case.state, CaseState::Waiting(Stage::Third));
    let mut junior = officer(4);
    junior.supervisor = false;
    assert_eq!(
        case.apply(&Event::Take(junior), at(0)),
        Err(Refusal::SupervisorOnly)
    );
    assert_eq!(
        decided(case.clone(), 3, Verdict::Approve).state,
        CaseState::Approved
    );
    assert_eq!(decided(case, 3, Verdict::Refuse).state, CaseState::Rejected);
}

#[test]
fn changed_evidence_resets_and_old_views_cannot_decide() {
    let case = decided(submitted(), 1, Verdict::Approve);
    let case = case
        .apply(
            &Event::EvidenceChanged {
                evidence_digest: [8; 32],
            },
            at(0),
        )
        .unwrap();
    assert_eq!(
        (case.state, case.decisions.len()),
        (CaseState::Waiting(Stage::First), 0)
    );
    let case = case.apply(&Event::Take(officer(2)), at(0)).unwrap();
    let stale = Event::Decide(officer(2), decision(Verdict::Approve, 7));
    assert_eq!(case.apply(&stale, at(0)), Err(Refusal::EvidenceChanged));
}

#[test]
fn more_information_goes_round() {
    let case = decided(submitted(), 1, Verdict::AskForMore);
    assert_eq!(case.state, CaseState::MoreInformation);
    let case = run(
        case,
        &[
            Event::Submit {
                evidence_digest: [7; 32],
            },
            Event::ChecksRecorded,
        ],
    );
    assert_eq!(
        (case.revision, case.state),
        (2, CaseState::Waiting(Stage::First))
    );
    assert!(case.may_take(officer(1), at(0)).is_ok());
}

#[test]
fn an_appeal_goes_to_other_officers_once() {
    let case = decided(decided(submitted(), 1, Verdict::Refuse), 2, Verdict::Refuse);
    assert!(case.may_appeal());
    let case = run(case, &[Event::Appeal, Event::ChecksRecorded]);
    assert_eq!(case.may_take(officer(2), at(0)), Err(Refusal::SameOfficer));
    let case = decided(decided(case, 3, Verdict::Refuse), 4, Verdict::Refuse);
    assert_eq!(case.apply(&Event::Appeal, at(0)), Err(Refusal::NoAppeal));
}

#[test]
fn leases_end() {
    let case = submitted().apply(&Event::Take(officer(1)), at(0)).unwrap();
    assert_eq!(
        case.apply(&Event::Take(officer(2)), at(60)),
        Err(Refusal::Held)
    );
    let late = at(LEASE_MINUTES * 60);
    let event = Event::Decide(officer(1), decision(Verdict::Approve, 7));
    assert_eq!(case.apply(&event, late), Err(Refusal::NotHeld));
    assert!(case.apply(&Event::Take(officer(2)), late).is_ok());
}

#[test]
fn a_refusal_needs_a_reason_that_fits() {
    let case = submitted().apply(&Event::Take(officer(1)), at(0)).unwrap();
    let with = |verdict, reason| {
        let decision = Decision {
            reason,
            ..decision(verdict, 7)
        };
        case.apply(&Event::Decide(officer(1), decision), at(0))
            .map(|_| ())
    };
    assert_eq!(with(Verdict::Refuse, None), Err(Refusal::Reason));
    assert_eq!(
        with(Verdict::Approve, Some(ReasonCode::DataDiffers)),
        Err(Refusal::Reason)
    );
    assert_eq!(
        with(Verdict::AskForMore, Some(ReasonCode::DocumentInUse)),
        Err(Refusal::Reason)
    );
    assert_eq!(
        with(Verdict::Refuse, Some(ReasonCode::DocumentInUse)),
        Ok(())
    );
}

fn event() -> impl Strategy<Value = Event> {
    let verdict = prop_oneof![
        Just(Verdict::Approve),
        Just(Verdict::Refuse),
        Just(Verdict::AskForMore)
    ];
    prop_oneof![
        2 => (6u8..9).prop_map(|d| Event::Submit { evidence_digest: [d; 32] }),
        3 => Just(Event::ChecksRecorded),
        6 => (1u128..6).prop_map(|n| Event::Take(officer(n))),
        1 => (1u128..6).prop_map(|n| Event::Release(officer(n))),
        6 => (1u128..6, verdict, 6u8..9).prop_map(|(n, v, d)| Event::Decide(officer(n), decision(v, d))),
        1 => (6u8..9).prop_map(|d| Event::EvidenceChanged { evidence_digest: [d; 32] }),
        1 => Just(Event::Appeal),
    ]
}

fn holds(case: &Case) {
    let mut officers: Vec<Uuid> = case.decisions.iter().map(|made| made.officer).collect();
    officers.sort_unstable();
    let count = officers.len();
    officers.dedup();
    assert_eq!(officers.len(), count, "an officer decided twice");
    assert!(
        !officers.contains(&officer(5).account),
        "the applicant decided"
    );
    assert!(
        officers
            .iter()
            .all(|who| !case.earlier_officers.contains(who))
    );
    for made in &case.decisions {
        assert_eq!(Some(made.decision.evidence_digest), case.evidence_digest);
    }
    let of = |verdict| {
        case.decisions
            .iter()
            .filter(|m| m.decision.verdict == verdict)
            .count()
    };
    match case.state {
        CaseState::Approved => assert!(of(Verdict::Approve) >= 2),
        CaseState::Rejected => assert!(of(Verdict::Refuse) >= 2),
        CaseState::Draft => assert!(case.decisions.is_empty() && case.revision == 0),
        _ => assert!(of(Verdict::Approve) < 2 && of(Verdict::Refuse) < 2),
    }
    assert!(case.appeals <= MAX_APPEALS);
}

proptest! {
    #[test]
    fn invariants_hold_whatever_happens(events in proptest::collection::vec((event(), 0i64..4000), 0..60)) {
        let mut case = Case::draft(SUBJECT);
        let mut now = 0;
        for (event, later) in events {
            now += later;
            if let Ok(next) = case.apply(&event, at(now)) {
                prop_assert!(next.revision >= case.revision);
                prop_assert!(case.state != CaseState::Approved, "an approved case does not move");
                case = next;
            }
            holds(&case);
        }
    }
}
