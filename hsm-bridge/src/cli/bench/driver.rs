//! The bare driver, in a process of its own as it would be in a service that opens the module itself.

use std::cell::RefCell;
use std::io::{BufRead as _, BufReader, Write as _, stdin};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Stdio};
use std::time::Duration;

use clap::{Args, ValueEnum};
use hsm_bridge::daemon::read_pin;
use hsm_bridge::pkcs11::{Token, TokenConfig, TokenOptions};
use hsm_bridge::{KeyAlgorithm, KeyLabel, KeyStore, KeyStoreError};

use super::place::Place;
use super::{DURABLE_KEY, FAST_KEY, KEY, TOKEN, failed, rate, signer};

/// What the child process needs to know.
#[derive(Args)]
pub(crate) struct DriverArguments {
    #[arg(long)]
    module: PathBuf,
    #[arg(long)]
    pin_file: PathBuf,
}

/// How the driver signs.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Manner {
    /// One thread.
    One,
    /// Two threads.
    Two,
    /// Two threads; each signature is verified.
    Verified,
    /// Two threads with copies of the key in their sessions.
    Copy,
}

impl Manner {
    fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// A driver that measures when it is told to.
pub(super) struct Driver {
    child: Child,
    answers: RefCell<BufReader<ChildStdout>>,
}

impl Driver {
    /// Starts it; the bench's keys are there when this returns.
    pub(super) fn start(place: &Place) -> Result<Self, KeyStoreError> {
        let mut child = place
            .command("bench-driver")
            .arg("--module")
            .arg(place.module_of(TOKEN))
            .arg("--pin-file")
            .arg(place.folder.join("user.pin"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| failed("driver", e))?;
        let output = child.stdout.take();
        let output = output.ok_or_else(|| failed("driver", "has no output"))?;
        let driver = Self {
            child,
            answers: RefCell::new(BufReader::new(output)),
        };
        driver.answer()?;
        Ok(driver)
    }

    /// Signatures a second.
    pub(super) fn rate(&self, manner: Manner, period: Duration) -> Result<f64, KeyStoreError> {
        let mut input = self
            .child
            .stdin
            .as_ref()
            .ok_or_else(|| failed("driver", "has no input"))?;
        writeln!(input, "{} {}", manner.name(), period.as_millis())
            .map_err(|e| failed("driver", e))?;
        let answer = self.answer()?;
        answer.trim().parse().map_err(|e| failed("driver", e))
    }

    fn answer(&self) -> Result<String, KeyStoreError> {
        let mut line = String::new();
        match self.answers.borrow_mut().read_line(&mut line) {
            Ok(0) => Err(failed("driver", "it ended; its reason stands above")),
            Ok(_) => Ok(line),
            Err(error) => Err(failed("driver", error)),
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The end of its input is the end of its work.
        drop(self.child.stdin.take());
        if let Err(error) = self.child.wait() {
            tracing::warn!(%error, "the bare driver could not be waited for");
        }
    }
}

/// Makes the keys, and measures as often as it is told to, until nothing more is asked.
pub(crate) fn run_driver(arguments: &DriverArguments) -> Result<(), KeyStoreError> {
    let config = TokenConfig {
        module: arguments.module.clone(),
        label: TOKEN.to_owned(),
        pin: read_pin(&arguments.pin_file)?,
    };
    let verifying = Token::open(&config)?;
    for key in [KEY, FAST_KEY, DURABLE_KEY] {
        let label = KeyLabel::parse(key).map_err(|e| failed("label", e))?;
        verifying.generate(&label, KeyAlgorithm::P256)?;
    }
    let open = |session_copy| {
        Token::open_with(
            &config,
            TokenOptions {
                session_copy,
                verify: false,
                ..TokenOptions::default()
            },
        )
    };
    let (bare, copying) = (open(false)?, open(true)?);
    println!("ready");
    for line in stdin().lines() {
        let line = line.map_err(|e| failed("driver", e))?;
        let asked = line.split_once(' ').and_then(|(manner, period)| {
            let manner = Manner::from_str(manner, false).ok()?;
            Some((manner, Duration::from_millis(period.parse().ok()?)))
        });
        let (manner, period) = asked.ok_or_else(|| failed("driver", "asked for nothing known"))?;
        let (token, threads) = match manner {
            Manner::One => (&bare, 1),
            Manner::Two => (&bare, 2),
            Manner::Verified => (&verifying, 2),
            Manner::Copy => (&copying, 2),
        };
        let signers = (0..threads)
            .map(|_| signer(token, KEY))
            .collect::<Result<Vec<_>, _>>()?;
        println!("{}", rate(&signers, period, 1)?);
    }
    Ok(())
}
