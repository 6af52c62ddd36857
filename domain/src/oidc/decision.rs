//! What happens next with an authorization request: a pure function of the request, the session and the consent.

use jiff::Timestamp;

use super::acr::Acr;
use super::error::{Error, ErrorCode};
use super::request::AuthorizationRequest;

/// What is known about the person at the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// When they proved themselves.
    pub auth_time: Timestamp,
    /// How surely their identity is known.
    pub ial: u8,
    /// How surely they signed in.
    pub aal: u8,
}

impl SignedIn {
    /// The class reached: the lower of both.
    pub fn acr(self) -> Option<Acr> {
        Acr::try_from(self.ial.min(self.aal).min(3)).ok()
    }
}

/// The next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Sign in, even when a session exists; `at_least` is the authenticator level to reach.
    SignIn {
        /// The authenticator assurance level to reach, when one is demanded.
        at_least: Option<u8>,
    },
    /// Ask for consent.
    Consent,
    /// Answer with a code.
    Issue,
    /// Answer with an error.
    Refuse(Error),
}

/// Facts besides the request itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Situation {
    /// When the browser first came with this request; `None` when it comes now.
    pub started_at: Option<Timestamp>,
    /// The session, if any.
    pub signed_in: Option<SignedIn>,
    /// Whether a consent in force answers every line.
    pub consent_answers: bool,
    /// Whether the person pressed the button for this very request, which `prompt=consent` demands.
    pub consent_given_now: bool,
    /// The present.
    pub now: Timestamp,
}

/// Decides the next step (OpenID Connect Core §3.1.2.3, §3.1.2.4, RFC 9470 §4).
pub fn next_step(request: &AuthorizationRequest, situation: &Situation) -> Step {
    let Some(session) = situation.signed_in else {
        return sign_in_or(request, None, ErrorCode::LoginRequired);
    };
    // Signed in for this request: after the browser first came with it.
    let fresh = situation
        .started_at
        .is_some_and(|started| session.auth_time.as_second() >= started.as_second());
    if request.prompt.login && !fresh {
        return sign_in_or(request, None, ErrorCode::LoginRequired);
    }
    if !fresh && is_too_old(request.max_age, session, situation.now) {
        return sign_in_or(request, None, ErrorCode::LoginRequired);
    }
    if let Some(step) = step_up(request, session, fresh) {
        return step;
    }
    let consent_is_enough =
        situation.consent_answers && (!request.prompt.consent || situation.consent_given_now);
    if consent_is_enough {
        Step::Issue
    } else if request.prompt.none {
        refuse(ErrorCode::ConsentRequired, "the person has to consent")
    } else {
        Step::Consent
    }
}

fn is_too_old(max_age: Option<i64>, session: SignedIn, now: Timestamp) -> bool {
    max_age.is_some_and(|limit| {
        now.as_second()
            .saturating_sub(session.auth_time.as_second())
            > limit
    })
}

/// A level that is not reached: try a stronger sign-in once where that can help; otherwise a voluntary demand goes on
/// with what was reached and an essential one fails.
fn step_up(request: &AuthorizationRequest, session: SignedIn, fresh: bool) -> Option<Step> {
    if request.acr.is_met_by(session.acr()) {
        return None;
    }
    let needed = request.acr.at_least?.number();
    let identity_suffices = session.ial >= needed;
    if identity_suffices && session.aal < needed && !fresh && !request.prompt.none {
        return Some(Step::SignIn {
            at_least: Some(needed),
        });
    }
    request.acr.essential.then(|| {
        refuse(
            ErrorCode::UnmetAuthenticationRequirements,
            "the level asked for cannot be reached by this person now",
        )
    })
}

fn sign_in_or(request: &AuthorizationRequest, at_least: Option<u8>, code: ErrorCode) -> Step {
    if request.prompt.none {
        refuse(code, "the person has to sign in")
    } else {
        let demanded = request.acr.at_least.map(Acr::number);
        Step::SignIn {
            at_least: at_least.or(demanded),
        }
    }
}

fn refuse(code: ErrorCode, description: &'static str) -> Step {
    Step::Refuse(Error::new(code, description))
}

#[cfg(test)]
#[path = "decision_tests.rs"]
mod tests;
