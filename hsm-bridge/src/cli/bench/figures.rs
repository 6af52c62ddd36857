//! Figures of several rounds: what is compared takes turns, so that what else the machine does falls on all of it.

use hsm_bridge::KeyStoreError;

/// One figure of each round.
#[derive(Debug, Clone, Default)]
pub(super) struct Figures(Vec<f64>);

impl Figures {
    pub(super) fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    pub(super) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let upper = sorted.get(middle).copied().unwrap_or(f64::NAN);
        if sorted.len() % 2 == 1 {
            return upper;
        }
        let lower = middle.checked_sub(1).and_then(|place| sorted.get(place));
        lower.map_or(upper, |lower| f64::midpoint(*lower, upper))
    }

    /// The median of what each round's figure is to that of the other in the same round.
    pub(super) fn ratio_to(&self, other: &Self) -> f64 {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| a / b).collect()).median()
    }
}

/// What gives one figure.
pub(super) type Measure<'a> = dyn Fn() -> Result<f64, KeyStoreError> + 'a;

/// Measures one after the other, so many times over.
pub(super) fn in_turn<const N: usize>(
    rounds: u32,
    measures: [&Measure<'_>; N],
) -> Result<[Figures; N], KeyStoreError> {
    let mut figures = std::array::from_fn(|_| Figures::default());
    for _ in 0..rounds {
        for (measure, figures) in measures.iter().zip(&mut figures) {
            figures.push(measure()?);
        }
    }
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn figures(of: &[f64]) -> Figures {
        Figures(of.to_vec())
    }

    #[test]
    fn a_ratio_compares_the_figures_of_one_round() {
        let slow_round = figures(&[10.0, 1.0, 10.0, 4.0]);
        let beside = figures(&[20.0, 2.0, 20.0, 2.0]);
        assert!((slow_round.ratio_to(&beside) - 0.5).abs() < 1e-9);
        assert!((slow_round.median() - 7.0).abs() < 1e-9);
        assert!((figures(&[3.0, 1.0, 2.0]).median() - 2.0).abs() < 1e-9);
        assert!(figures(&[]).median().is_nan());
    }

    #[test]
    fn what_is_compared_takes_turns() {
        let clock = Cell::new(0.0);
        let tick = || {
            clock.set(clock.get() + 1.0);
            Ok(clock.get())
        };
        let [odd, even] = in_turn(3, [&tick, &tick]).unwrap();
        assert_eq!(odd.0, [1.0, 3.0, 5.0]);
        assert_eq!(even.0, [2.0, 4.0, 6.0]);
    }
}
