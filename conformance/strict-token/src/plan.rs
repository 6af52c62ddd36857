//! Faults that a test arms while the module runs.

use crate::ckr;

/// What a function does instead of its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Answers this return code; the wrapped module is not asked.
    Answer(u64),
    /// Does the work and answers this return code all the same: an answer lost on its way.
    AnswerLost(u64),
    /// Does not return until the fault is cleared, then does its work.
    Hang,
    /// Does its work and does not return until the fault is cleared: an answer that never comes.
    HangAfter,
    /// A signature with one bit flipped.
    FlippedBit,
    /// A signature over another message, as one made by another key would look.
    OtherMessage,
    /// A signature one byte too short.
    Short,
    /// A signature of zeros.
    Zeros,
}

impl Fault {
    /// Kind and return code as they stand in the control page; kind 0 is no fault.
    pub(crate) const fn encode(self) -> (u64, u64) {
        match self {
            Self::Answer(code) => (1, code),
            Self::AnswerLost(code) => (2, code),
            Self::Hang => (3, 0),
            Self::FlippedBit => (4, 0),
            Self::OtherMessage => (5, 0),
            Self::Short => (6, 0),
            Self::Zeros => (7, 0),
            Self::HangAfter => (8, 0),
        }
    }

    /// The fault that [`Fault::encode`] wrote.
    pub(crate) const fn decode(kind: u64, code: u64) -> Option<Self> {
        match kind {
            1 => Some(Self::Answer(code)),
            2 => Some(Self::AnswerLost(code)),
            3 => Some(Self::Hang),
            4 => Some(Self::FlippedBit),
            5 => Some(Self::OtherMessage),
            6 => Some(Self::Short),
            7 => Some(Self::Zeros),
            8 => Some(Self::HangAfter),
            _ => None,
        }
    }
}

impl std::str::FromStr for Fault {
    type Err = String;

    /// `hang`, `hang-after`, `flipped-bit`, `other-message`, `short`, `zeros`, a return code without its prefix, or `lost:` and such a code.
    fn from_str(text: &str) -> Result<Self, String> {
        let code = |name: &str| {
            ckr::parse(name).ok_or_else(|| format!("{name} is neither a fault nor a return code"))
        };
        Ok(match text {
            "hang" => Self::Hang,
            "hang-after" => Self::HangAfter,
            "flipped-bit" => Self::FlippedBit,
            "other-message" => Self::OtherMessage,
            "short" => Self::Short,
            "zeros" => Self::Zeros,
            _ => match text.strip_prefix("lost:") {
                Some(name) => Self::AnswerLost(code(name)?),
                None => Self::Answer(code(text)?),
            },
        })
    }
}

/// One chance in this many is the unit of [`Plan::chance`].
pub(crate) const CERTAIN: u64 = 1_000_000;

/// When a fault strikes: from which call on, how often, and with which chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    pub(crate) fault: Fault,
    pub(crate) from: u64,
    pub(crate) calls: u64,
    pub(crate) chance: u64,
}

impl Plan {
    /// Strikes at every call until it is cleared.
    pub const fn always(fault: Fault) -> Self {
        Self {
            fault,
            from: 1,
            calls: u64::MAX,
            chance: CERTAIN,
        }
    }

    /// Strikes at the next call alone.
    pub const fn once(fault: Fault) -> Self {
        Self::always(fault).times(1)
    }

    /// Strikes from the `call`-th call after arming on; the first is 1.
    #[must_use]
    pub const fn from(mut self, call: u64) -> Self {
        self.from = call;
        self
    }

    /// Covers so many calls, counted from the first that it covers.
    #[must_use]
    pub const fn times(mut self, calls: u64) -> Self {
        self.calls = calls;
        self
    }

    /// Strikes a covered call with a chance of so many in a million, drawn from the module's seed and the number of the call.
    #[must_use]
    pub const fn chance(mut self, in_a_million: u64) -> Self {
        self.chance = in_a_million;
        self
    }

    /// Whether the plan strikes the call of this number (from 1).
    pub(crate) const fn strikes(&self, call: u64, seed: u64) -> bool {
        call >= self.from
            && call - self.from < self.calls
            && (self.chance >= CERTAIN || mix(seed ^ mix(call)) % CERTAIN < self.chance)
    }
}

/// Spreads a number over all 64 bits: the finaliser of SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_plan_covers_exactly_its_calls(from in 1_u64..50, calls in 0_u64..50, call in 1_u64..200) {
            let plan = Plan::always(Fault::Zeros).from(from).times(calls);
            prop_assert_eq!(plan.strikes(call, 7), (from..from + calls).contains(&call));
        }

        #[test]
        fn faults_survive_the_page(code in any::<u64>()) {
            for fault in [
                Fault::Answer(code), Fault::AnswerLost(code), Fault::Hang, Fault::FlippedBit,
                Fault::OtherMessage, Fault::Short, Fault::Zeros, Fault::HangAfter,
            ] {
                let (kind, value) = fault.encode();
                prop_assert_eq!(Fault::decode(kind, value), Some(fault));
            }
        }
    }

    #[test]
    fn a_storm_repeats_with_its_seed_and_keeps_its_chance() {
        let storm = Plan::always(Fault::Zeros).chance(100_000);
        let struck = |seed| {
            (1..=10_000)
                .filter(|call| storm.strikes(*call, seed))
                .collect::<Vec<_>>()
        };
        assert_eq!(struck(1), struck(1));
        assert_ne!(struck(1), struck(2));
        assert!(
            (850..1150).contains(&struck(1).len()),
            "{}",
            struck(1).len()
        );
    }
}
