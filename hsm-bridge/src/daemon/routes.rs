//! Which token serves a key: routes by label, each an order of tokens, and the choice among those that are sound.

use std::time::{Duration, Instant};

use super::config::Config;
use crate::policy::Pattern;
use crate::{KeyLabel, KeyStoreError};

/// What is known about a token at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// It is being opened for the first time.
    Starting,
    /// It has been sound since then.
    Ready(Instant),
    /// It was lost and is being opened again; the reason.
    Down(KeyStoreError),
    /// Nothing is tried until an operator acts; the reason.
    Stopped(KeyStoreError),
}

/// What a caller can be told about its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Choice {
    /// Use the token of this index.
    Token(usize),
    /// None is sound; one may be soon. The reason is that of the first in order.
    Wait(KeyStoreError),
    /// None will be sound until an operator acts.
    Refuse(KeyStoreError),
}

/// The compiled routes; the last one covers every key.
#[derive(Debug)]
pub(super) struct Routes(Vec<Route>);

#[derive(Debug)]
struct Route {
    keys: Option<Pattern>,
    tokens: Vec<usize>,
}

impl Routes {
    /// Compiles the routes of a configuration; a name that no token has is refused.
    pub(super) fn compile(config: &Config) -> Result<Self, KeyStoreError> {
        let wrong =
            |text: String| KeyStoreError::Configuration(format!("[[bridge.route]]: {text}"));
        let mut routes = Vec::new();
        for route in &config.route {
            let keys = Pattern::try_from(route.keys.clone()).map_err(wrong)?;
            let index_of = |name: &String| {
                let found = config.token.iter().position(|token| token.name == *name);
                found.ok_or_else(|| wrong(format!("there is no token '{name}'")))
            };
            let tokens = route
                .tokens
                .iter()
                .map(index_of)
                .collect::<Result<Vec<_>, _>>()?;
            if tokens.is_empty() {
                return Err(wrong(format!("'{}' has no token", route.keys)));
            }
            routes.push(Route {
                keys: Some(keys),
                tokens,
            });
        }
        routes.push(Route {
            keys: None,
            tokens: vec![0],
        });
        Ok(Self(routes))
    }

    /// How many routes there are, the one for all other keys included.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// The route of a key: the first that covers its label.
    pub(super) fn of(&self, label: &KeyLabel) -> usize {
        let covers = |route: &Route| route.keys.as_ref().is_none_or(|keys| keys.covers(label));
        self.0.iter().position(covers).unwrap_or_default()
    }

    /// The tokens of a route in order; none for a number that is no route.
    pub(super) fn tokens(&self, route: usize) -> &[usize] {
        self.0.get(route).map_or(&[], |route| &route.tokens)
    }
}

/// Chooses among the tokens of a route. The one in use is kept while it is sound, until one before it has been sound for
/// `fail_back_after`.
pub(super) fn choose(
    order: &[usize],
    states: &[State],
    in_use: Option<usize>,
    now: Instant,
    fail_back_after: Duration,
) -> Choice {
    let since = |token: usize| match states.get(token) {
        Some(State::Ready(since)) => Some(*since),
        _ => None,
    };
    let in_use = in_use.filter(|token| order.contains(token) && since(*token).is_some());
    for token in order.iter().copied() {
        let Some(sound_since) = since(token) else {
            continue;
        };
        let proven = now.saturating_duration_since(sound_since) >= fail_back_after;
        if in_use.is_none_or(|used| used == token) || proven {
            return Choice::Token(token);
        }
    }
    let reasons = order.iter().filter_map(|token| states.get(*token));
    let mut refusal = None;
    for state in reasons {
        match state {
            State::Stopped(error) => refusal = refusal.or(Some(error)),
            State::Down(error) => return Choice::Wait(error.clone()),
            State::Starting | State::Ready(_) => {
                return Choice::Wait(KeyStoreError::TokenUnavailable(
                    "the token is being opened".to_owned(),
                ));
            }
        }
    }
    Choice::Refuse(refusal.cloned().unwrap_or(KeyStoreError::NotPermitted))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn label(text: &str) -> KeyLabel {
        KeyLabel::parse(text).unwrap()
    }

    fn down() -> State {
        State::Down(KeyStoreError::TokenUnavailable("gone".to_owned()))
    }

    #[test]
    fn the_first_route_that_covers_a_key_is_its_own() {
        let text = "[[bridge.token]]\nname = \"a\"\n[[bridge.token]]\nname = \"b\"\n\
            [[bridge.route]]\nkeys = \"ca/root\"\ntokens = [\"b\"]\n[[bridge.route]]\nkeys = \"ca/*\"\ntokens = [\"b\", \"a\"]\n";
        let routes = Routes::compile(&Config::parse(text, []).unwrap()).unwrap();
        assert_eq!(routes.count(), 3);
        for (key, tokens) in [
            ("ca/root", vec![1]),
            ("ca/x/g1", vec![1, 0]),
            ("idp/x", vec![0]),
        ] {
            assert_eq!(routes.tokens(routes.of(&label(key))), tokens);
        }
        assert_eq!(routes.tokens(9), Vec::<usize>::new());
    }

    #[test]
    fn a_token_that_came_back_is_used_again_only_after_a_while() {
        let began = Instant::now();
        let after = Duration::from_mins(1);
        let at = |seconds| began + Duration::from_secs(seconds);
        let pick =
            |states: &[State], used, seconds| choose(&[0, 1], states, used, at(seconds), after);
        let both = [State::Ready(at(100)), State::Ready(at(0))];
        assert_eq!(
            pick(&[down(), State::Ready(at(0))], Some(0), 99),
            Choice::Token(1)
        );
        assert_eq!(pick(&both, Some(1), 159), Choice::Token(1));
        assert_eq!(pick(&both, Some(1), 160), Choice::Token(0));
        assert_eq!(pick(&both, None, 100), Choice::Token(0));
    }

    #[test]
    fn a_refused_pin_is_told_at_once_and_a_lost_token_is_waited_for() {
        let stopped = State::Stopped(KeyStoreError::PinRefused);
        let pick = |states: &[State]| choose(&[0, 1], states, None, Instant::now(), Duration::ZERO);
        assert_eq!(
            pick(&[stopped.clone(), stopped.clone()]),
            Choice::Refuse(KeyStoreError::PinRefused)
        );
        assert!(matches!(pick(&[stopped, down()]), Choice::Wait(_)));
    }

    proptest! {
        #[test]
        fn a_sound_token_is_always_found_and_no_other_is_chosen(
            sound in proptest::collection::vec(any::<bool>(), 1..5),
            used in proptest::option::of(0_usize..5),
        ) {
            let now = Instant::now();
            let states: Vec<State> = sound.iter().map(|sound| if *sound { State::Ready(now) } else { down() }).collect();
            let order: Vec<usize> = (0..sound.len()).collect();
            match choose(&order, &states, used, now, Duration::from_secs(1)) {
                Choice::Token(token) => {
                    prop_assert!(sound[token]);
                    if let Some(used) = used && sound.get(used) == Some(&true) {
                        prop_assert_eq!(token, used);
                    }
                }
                _ => prop_assert!(!sound.contains(&true)),
            }
        }
    }
}
