//! A token with ten thousand keys beside the same token with ten.

use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use hsm_bridge::daemon::read_pin;
use hsm_bridge::pkcs11::{Token, TokenConfig};
use hsm_bridge::{KeyAlgorithm, KeyLabel, KeyStoreError, Signer};

use super::figures::Figures;
use super::place::Place;
use super::{MESSAGE, ROUNDS, Row, failed, row, signer, time_row, together};

/// The token that is filled.
const TOKEN: &str = "bench-many";
const PIN: &str = "many.pin";
/// Keys in the token when it is first measured, and when it is measured again.
const FEW: usize = 10;
const MANY: usize = 10_000;
/// How many keys of either token sign in turn.
const IN_TURN: usize = 10;
/// Connections through the bridge.
const CONNECTIONS: usize = 2;

/// What the child process that makes the keys needs to know.
#[derive(Args)]
pub(crate) struct FillArguments {
    #[arg(long)]
    module: PathBuf,
    #[arg(long)]
    pin_file: PathBuf,
    #[arg(long)]
    token: String,
    #[arg(long)]
    keys: usize,
}

/// Keys below `bench/fast` go out as the token made them, like those of the other rows.
fn label(number: usize) -> Result<KeyLabel, KeyStoreError> {
    KeyLabel::parse(&format!("bench/fast/many/{number}")).map_err(|e| failed("label", e))
}

fn labels(numbers: Range<usize>) -> Result<Vec<KeyLabel>, KeyStoreError> {
    numbers.map(label).collect()
}

pub(crate) fn run_fill(arguments: &FillArguments) -> Result<(), KeyStoreError> {
    let token = Token::open(&TokenConfig {
        module: arguments.module.clone(),
        label: arguments.token.clone(),
        pin: read_pin(&arguments.pin_file)?,
    })?;
    let labels = labels(0..arguments.keys)?;
    token.generate_many(&labels, KeyAlgorithm::P256).map(|_| ())
}

pub(super) fn measure(place: &Place, turn: Duration) -> Result<Vec<Row>, KeyStoreError> {
    let (few, full) = (format!("{TOKEN}-few"), format!("{TOKEN}-full"));
    for (token, keys) in [(&few, FEW), (&full, MANY)] {
        place.init(token, PIN)?;
        fill(place, token, keys)?;
    }
    let mut rates = [Figures::default(), Figures::default()];
    let mut first = Figures::default();
    for _ in 0..ROUNDS {
        for ((token, keys), rates) in [(&few, FEW), (&full, MANY)].into_iter().zip(&mut rates) {
            let daemon = place.serve_token(token, PIN, false)?;
            let step = (keys / IN_TURN).max(1);
            let labels: Vec<_> = (0..keys)
                .step_by(step)
                .map(label)
                .collect::<Result<_, _>>()?;
            // The bridge is up, and has had its look at the token, when its first answers are there.
            let mut turns = Vec::new();
            for _ in 0..CONNECTIONS {
                let client = daemon.client()?;
                let mut keys_in_turn = Vec::new();
                for label in &labels {
                    let began = Instant::now();
                    let signer = signer(&client, label.as_str())?;
                    signer.sign(&MESSAGE)?;
                    if keys == MANY {
                        first.push(began.elapsed().as_secs_f64() * 1e6);
                    }
                    keys_in_turn.push(signer);
                }
                turns.push(keys_in_turn);
            }
            rates.push(rate(&turns, turn)?);
        }
    }
    let [few, many] = rates;
    Ok(vec![
        row(
            "hsm.sign.p256.10k_keys",
            &many,
            Some(("a token of 10 keys", &few)),
            format!("{CONNECTIONS} connections, {IN_TURN} of {MANY} keys in turn"),
        ),
        time_row(
            "hsm.first.10k_keys",
            "us",
            &first,
            None,
            format!("finding a key of {MANY} by its label and signing with it the first time"),
        ),
    ])
}

fn fill(place: &Place, token: &str, keys: usize) -> Result<(), KeyStoreError> {
    let made = place
        .command("bench-fill")
        .args(["--token", token, "--keys", &keys.to_string(), "--module"])
        .arg(place.module_of(token))
        .arg("--pin-file")
        .arg(place.folder.join(PIN))
        .status()
        .map_err(|e| failed("keys", e))?;
    if made.success() {
        Ok(())
    } else {
        Err(failed("keys", made))
    }
}

/// Signatures a second, a thread for each turn of signers.
fn rate(turns: &[Vec<Box<dyn Signer>>], period: Duration) -> Result<f64, KeyStoreError> {
    let began = Instant::now();
    let counted = together(turns, |turn| {
        let mut count = 0_u32;
        for signer in turn.iter().cycle() {
            if began.elapsed() >= period {
                break;
            }
            signer.sign(&MESSAGE)?;
            count += 1;
        }
        Ok(count)
    })?;
    Ok(f64::from(counted) / began.elapsed().as_secs_f64())
}
