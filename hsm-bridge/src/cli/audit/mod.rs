//! The audit log, for people: is it sound, and what does it say.

mod evidence;

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use der::{DateTime, Decode, pem};
use hsm_bridge::KeyStoreError;
use hsm_bridge::audit::{self, Counts, Entry, Report, Text, Witness};
use hsm_bridge::verify::OpenSslVerifier;
use spki::SubjectPublicKeyInfoOwned;

/// What to do with an audit log.
#[derive(Subcommand)]
pub(super) enum Verb {
    /// Read the whole log and say whether it is sound; exit status 1 when it is not. May run while the bridge writes.
    Verify(VerifyArguments),
    /// Print lines of the log.
    Show(ShowArguments),
}

#[derive(Args)]
pub(super) struct VerifyArguments {
    /// The log's folder.
    folder: PathBuf,
    /// Public half of an audit key (PEM SubjectPublicKeyInfo); say it again for each key that signed checkpoints.
    #[arg(long = "key", value_name = "SPKI.pem")]
    keys: Vec<PathBuf>,
    /// A line that was noted down elsewhere, as SEQUENCE:HASH; the log must still hold it.
    #[arg(long)]
    witness: Option<Witness>,
    /// Begin behind this line, as SEQUENCE:HASH: the head that an earlier verification printed. Segments before it may have been moved
    /// away, or are not read.
    #[arg(long)]
    from: Option<Witness>,
    /// Evidence of how a key was made, as `hsm-bridge evidence` printed it; the log must tell of exactly this. Say it again for others.
    #[arg(long = "evidence", value_name = "EVIDENCE.json")]
    evidence: Vec<PathBuf>,
}

#[derive(Args)]
pub(super) struct ShowArguments {
    /// The log's folder.
    folder: PathBuf,
    /// Only the last so many of the lines asked for.
    #[arg(long)]
    last: Option<usize>,
    /// Only lines about this service or operator.
    #[arg(long)]
    caller: Option<String>,
    /// Only lines about the key of this label.
    #[arg(long)]
    key_label: Option<String>,
    /// Only lines since this moment, as 2027-01-31 or 2027-01-31T08:00:00Z.
    #[arg(long, value_parser = moment)]
    since: Option<SystemTime>,
}

/// A day, or a moment of RFC 3339 in UTC and whole seconds.
fn moment(text: &str) -> Result<SystemTime, String> {
    let full = if text.contains('T') {
        text.to_owned()
    } else {
        format!("{text}T00:00:00Z")
    };
    full.parse::<DateTime>()
        .map(|time| time.to_system_time())
        .map_err(|_| "a day or a moment, as 2027-01-31 or 2027-01-31T08:00:00Z".to_owned())
}

pub(super) fn run(verb: &Verb) -> Result<ExitCode, KeyStoreError> {
    match verb {
        Verb::Verify(arguments) => verify(arguments),
        Verb::Show(arguments) => show(arguments),
    }
}

fn verify(arguments: &VerifyArguments) -> Result<ExitCode, KeyStoreError> {
    let keys = arguments
        .keys
        .iter()
        .map(|path| public_key(path))
        .collect::<Result<Vec<_>, _>>()?;
    let (folder, witness) = (&arguments.folder, arguments.witness.as_ref());
    let evidence = arguments.evidence.iter();
    let evidence = evidence
        .map(|path| evidence::hash_of(path))
        .collect::<Result<Vec<_>, _>>()?;
    let verified = audit::verify_with_evidence(
        folder,
        &keys,
        (arguments.from.as_ref(), witness),
        &evidence,
        &OpenSslVerifier,
    );
    let mut out = io::stdout().lock();
    Ok(match verified {
        Ok(report) => {
            printed(tell(&report, &mut out))?;
            let asked: Vec<_> = arguments.evidence.iter().zip(&evidence).collect();
            let (words, all_told) = evidence::words(&asked, &report);
            printed(out.write_all(words.as_bytes()))?;
            if all_told {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(finding) => {
            printed(writeln!(out, "{}: {finding}", arguments.folder.display()))?;
            ExitCode::FAILURE
        }
    })
}

fn public_key(path: &Path) -> Result<SubjectPublicKeyInfoOwned, KeyStoreError> {
    let wrong = |e: &dyn std::fmt::Display| {
        KeyStoreError::Configuration(format!("public key {}: {e}", path.display()))
    };
    let text = fs::read(path).map_err(|e| wrong(&e))?;
    let (label, der) = pem::decode_vec(&text).map_err(|e| wrong(&e))?;
    if label != "PUBLIC KEY" {
        return Err(wrong(&"not a PUBLIC KEY"));
    }
    SubjectPublicKeyInfoOwned::from_der(&der).map_err(|e| wrong(&e))
}

/// A reader that closed the pipe wants no more; any other failure to print is one.
fn printed(outcome: io::Result<()>) -> Result<(), KeyStoreError> {
    match outcome {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(KeyStoreError::Configuration(format!("output: {error}")))
        }
        _ => Ok(()),
    }
}

fn tell(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "The log {} is sound: {} lines in {} segments, from {} to {}.",
        report.log,
        report.lines(),
        report.segments,
        time(report.first_us),
        time(report.last_us)
    )?;
    if let Some(from) = &report.from {
        writeln!(
            out,
            "Its lines up to number {} were not read: the witness stands for them.",
            from.sequence
        )?;
    }
    writeln!(out, "Its head, for a witness: {}", report.head)?;
    match &report.checkpoint {
        Some(newest) => writeln!(
            out,
            "It holds {} checkpoints; the newest was made at {} with key {} and covers line {} and all before.",
            report.checkpoints,
            time(newest.at_us),
            newest.key,
            newest.head.sequence
        )?,
        None => writeln!(out, "It holds no checkpoint.")?,
    }
    if !report.signatures_checked && report.checkpoints > 0 {
        writeln!(
            out,
            "The signatures of its checkpoints were not checked: no --key was given."
        )?;
    }
    writeln!(
        out,
        "{} lines at its end are covered by no checkpoint.",
        report.uncovered()
    )?;
    if report.live {
        writeln!(out, "It was being written meanwhile.")?;
    }
    for (title, counts) in [
        ("Lines by event", &report.events),
        ("Uses of keys by caller", &report.callers),
        ("Uses of keys by operation", &report.operations),
        ("Uses of keys by result", &report.results),
        ("Uses of keys by label", &report.keys),
    ] {
        tell_counts(title, counts, out)?;
    }
    Ok(())
}

fn tell_counts(title: &str, counts: &Counts, out: &mut impl Write) -> io::Result<()> {
    if counts.names.is_empty() {
        return Ok(());
    }
    writeln!(out, "{title}:")?;
    for (name, count) in &counts.names {
        writeln!(out, "{count:>12}  {}", name.escape_debug())?;
    }
    if counts.others > 0 {
        writeln!(out, "{:>12}  (others)", counts.others)?;
    }
    Ok(())
}

fn show(arguments: &ShowArguments) -> Result<ExitCode, KeyStoreError> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut held = VecDeque::new();
    let mut outcome = Ok(());
    let read = audit::read(&arguments.folder, arguments.since, |entry| {
        if !wanted(arguments, entry) {
            return ControlFlow::Continue(());
        }
        let line = line_of(entry);
        match arguments.last {
            Some(0) => return ControlFlow::Break(()),
            Some(last) => {
                if held.len() == last {
                    held.pop_front();
                }
                held.push_back(line);
            }
            None => outcome = writeln!(out, "{line}"),
        }
        if outcome.is_ok() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    let shown = outcome
        .and_then(|()| held.iter().try_for_each(|line| writeln!(out, "{line}")))
        .and_then(|()| out.flush());
    printed(shown)?;
    Ok(match read {
        Ok(()) => ExitCode::SUCCESS,
        Err(finding) => {
            eprintln!("hsm-bridge: {}: {finding}", arguments.folder.display());
            ExitCode::FAILURE
        }
    })
}

fn wanted(arguments: &ShowArguments, entry: &Entry<'_>) -> bool {
    let same =
        |asked: &Option<String>, found: Option<&str>| asked.is_none() || asked.as_deref() == found;
    same(&arguments.caller, entry.caller.as_ref().map(Text::as_str))
        && same(&arguments.key_label, entry.key)
}

/// One entry for people to read: time, number, event, then what the event has.
fn line_of(entry: &Entry<'_>) -> String {
    let mut line = format!(
        "{} {:>10} {}",
        time(entry.at_us),
        entry.sequence,
        entry.event.name()
    );
    let number = |value: Option<u64>| value.map(|value| value.to_string());
    let text = |value: &Option<Text<'_>>| {
        // What a caller wrote must not move the cursor of who reads it.
        value
            .as_ref()
            .map(|text| text.as_str().escape_debug().to_string())
    };
    let word = |value: Option<&str>| value.map(|word| word.escape_debug().to_string());
    for (name, value) in [
        ("log", word(entry.log)),
        ("caller", text(&entry.caller)),
        ("operation", text(&entry.operation)),
        ("key", word(entry.key)),
        ("key_id", word(entry.key_id)),
        ("scheme", word(entry.scheme)),
        ("digest", word(entry.digest)),
        ("intent", number(entry.intent)),
        ("result", text(&entry.result)),
        ("us", number(entry.us)),
        ("detail", text(&entry.detail)),
        ("through", number(entry.through)),
        ("length", number(entry.length)),
        ("hash", word(entry.hash)),
    ] {
        if let Some(value) = value {
            line.push(' ');
            line.push_str(name);
            line.push('=');
            line.push_str(&value);
        }
    }
    line
}

/// RFC 3339 with microseconds; a time beyond the year 9999 as the number that it is.
fn time(at_us: u64) -> String {
    match DateTime::from_unix_duration(Duration::from_micros(at_us)) {
        Ok(time) => format!(
            "{}.{:06}Z",
            time.to_string().trim_end_matches('Z'),
            at_us % 1_000_000
        ),
        Err(_) => at_us.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use hsm_bridge::audit::{Durability, KeyOperation, Log, LogId, Record};
    use hsm_bridge::{KeyId, KeyLabel, SignatureScheme, Signer};
    use openssl::ec::{EcGroup, EcKey};
    use openssl::hash::MessageDigest;
    use openssl::nid::Nid;
    use openssl::pkey::{PKey, Private};

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        verb: Verb,
    }

    fn ends(arguments: &[&str]) -> ExitCode {
        run(&Line::try_parse_from(arguments).unwrap().verb).unwrap()
    }

    struct Auditor(PKey<Private>, SubjectPublicKeyInfoOwned);

    impl Signer for Auditor {
        fn scheme(&self) -> SignatureScheme {
            SignatureScheme::EcdsaP256Sha256
        }

        fn public_key(&self) -> &SubjectPublicKeyInfoOwned {
            &self.1
        }

        fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyStoreError> {
            let mut signer = openssl::sign::Signer::new(MessageDigest::sha256(), &self.0).unwrap();
            Ok(signer.sign_oneshot_to_vec(message).unwrap())
        }
    }

    fn auditor() -> Auditor {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        let public =
            SubjectPublicKeyInfoOwned::from_der(&key.public_key_to_der().unwrap()).unwrap();
        Auditor(key, public)
    }

    #[test]
    fn verify_ends_with_one_when_there_is_a_finding() {
        let (folder, keys) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let auditor = auditor();
        let pem = keys.path().join("audit.pem");
        fs::write(&pem, auditor.0.public_key_to_pem().unwrap()).unwrap();
        let log = Log::open(
            folder.path(),
            LogId::from_bytes([3; 16]),
            SystemTime::UNIX_EPOCH,
        )
        .unwrap();
        let started = Record::Started { detail: "1" };
        log.append(&started, SystemTime::UNIX_EPOCH, Durability::Synced)
            .unwrap();
        let witness = log.head().to_string();
        log.checkpoint(&auditor, SystemTime::UNIX_EPOCH).unwrap();
        drop(log);
        let (path, pem) = (folder.path().to_str().unwrap(), pem.to_str().unwrap());
        let verify = || ends(&["audit", "verify", path, "--key", pem, "--witness", &witness]);
        assert_eq!(verify(), ExitCode::SUCCESS);
        assert_eq!(
            ends(&["audit", "show", path, "--last", "2"]),
            ExitCode::SUCCESS
        );
        let segment = folder.path().join("00000001.jsonl");
        let text = fs::read_to_string(&segment).unwrap();
        fs::write(
            &segment,
            text.replace("\"detail\":\"1\"", "\"detail\":\"2\""),
        )
        .unwrap();
        assert_eq!(verify(), ExitCode::FAILURE);
        fs::write(&segment, "x\n").unwrap();
        assert_eq!(ends(&["audit", "show", path]), ExitCode::FAILURE);
        assert!(
            run(
                &Line::try_parse_from(["audit", "verify", path, "--key", path])
                    .unwrap()
                    .verb
            )
            .is_err()
        );
    }

    #[test]
    fn lines_read_well_and_cannot_move_the_cursor() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::open(
            folder.path(),
            LogId::from_bytes([3; 16]),
            SystemTime::UNIX_EPOCH,
        )
        .unwrap();
        let key = KeyLabel::parse("ca/root/g1").unwrap();
        let used = |caller| Record::Used {
            operation: KeyOperation {
                caller,
                operation: "sign",
                key: Some(&key),
                key_id: Some(KeyId::from_bytes([0xab; 20])),
                detail: Some("\u{1b}[2J\n"),
                ..KeyOperation::default()
            },
            intent: None,
            result: "done",
            took: Duration::from_micros(7),
        };
        let at = moment("2027-01-31T08:00:00Z").unwrap() + Duration::from_micros(5);
        for caller in ["ca", "idp"] {
            log.append(&used(caller), at, Durability::Buffered).unwrap();
        }
        let shown = |arguments: &[&str]| {
            let path = folder.path().to_str().unwrap();
            let line = Line::try_parse_from([&["audit", "show", path], arguments].concat());
            let Verb::Show(arguments) = line.unwrap().verb else {
                panic!("another verb");
            };
            let mut lines = Vec::new();
            audit::read(folder.path(), arguments.since, |entry| {
                if wanted(&arguments, entry) {
                    lines.push(line_of(entry));
                }
                ControlFlow::Continue(())
            })
            .unwrap();
            lines
        };
        assert_eq!(
            shown(&["--caller", "ca", "--key-label", "ca/root/g1"]),
            [
                "2027-01-31T08:00:00.000005Z          2 bridge.key.used caller=ca operation=sign key=ca/root/g1 key_id=abababababababababababababababababababab result=done us=7 detail=\\u{1b}[2J\\n"
            ]
        );
        assert_eq!(shown(&[]).len(), 3);
        assert_eq!(shown(&["--since", "2027-01-31"]).len(), 2);
        assert_eq!(shown(&["--since", "2027-02-01"]).len(), 0);
        assert_eq!(shown(&["--key-label", "ca/root/g2"]).len(), 0);
        for slip in [
            "",
            "yesterday",
            "2027-13-01",
            "2027-01-31T08:00",
            "2027-02-30",
        ] {
            assert!(moment(slip).is_err(), "{slip}");
        }
    }
}
