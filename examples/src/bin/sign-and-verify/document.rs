//! The signatures of a PDF: each one's verdict, and the file's as the worst of them.

use std::fs;
use std::path::Path;

use ades::pades::{self, Coverage, PadesError, Signature, SignatureTimeStamp, Verified};
use hsm_bridge::verify::OpenSslVerifier;
use jiff::Timestamp;
use pki::extension::{ID_KP_DOCUMENT_SIGNING, ID_KP_TIME_STAMPING};
use service::Sources;

use super::public::{Public, holder, printable};
use super::verdict::{Grounds, Verdict};

/// The form of a signature by a person (EN 319 142-1 §6.3).
const BY_PERSON: &str = "ETSI.CAdES.detached";

/// Judges every signature of the file.
pub(crate) async fn run(
    public: &Public,
    sources: &Sources,
    file: &Path,
) -> Result<Verdict, String> {
    let pdf = fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let signatures = match pades::signatures(&pdf) {
        Ok(signatures) => signatures,
        Err(error) => return Ok(told(file, of_structure(&error))),
    };
    let count = signatures.len();
    if count == 0 {
        return Ok(told(
            file,
            Verdict::CannotTell("it carries no signature".to_owned()),
        ));
    }
    let mut whole = Verdict::Valid;
    for (index, signature) in signatures.iter().enumerate() {
        let verdict = judge(public, sources.now(), &pdf, signature, index + 1).await;
        whole = whole.and(verdict);
    }
    // What stands behind the last signature nobody signed.
    if let Some(last) = signatures.last()
        && last.coverage == Coverage::Revision
    {
        println!("After the last signature only validation data was added.");
    }
    Ok(told(file, whole))
}

fn told(file: &Path, verdict: Verdict) -> Verdict {
    println!("{}: {verdict}", file.display());
    verdict
}

fn of_structure(error: &PadesError) -> Verdict {
    match error {
        PadesError::Signature(_)
        | PadesError::Changed(_)
        | PadesError::Cms(_)
        | PadesError::TimeStamp(_) => Verdict::NotValid(error.to_string()),
        _ => Verdict::CannotTell(error.to_string()),
    }
}

async fn judge(
    public: &Public,
    now: Timestamp,
    pdf: &[u8],
    signature: &Signature,
    number: usize,
) -> Verdict {
    println!("signature {number}, field {}", printable(&signature.field));
    let (verdict, verified) = match signature.verify(pdf, &OpenSslVerifier) {
        Err(_) if signature.sub_filter != BY_PERSON => {
            let kind = printable(&signature.sub_filter);
            (
                Verdict::CannotTell(format!("signatures of the kind {kind} are not judged here")),
                None,
            )
        }
        Err(error) => (of_structure(&error), None),
        Ok(verified) => (
            by_certificates(public, now, &verified).await,
            Some(verified),
        ),
    };
    println!("  verdict: {verdict}");
    if let Some(verified) = &verified {
        println!("  by:      {}", holder(&verified.certificate));
    }
    println!("  at:      {}", when(signature, verified.as_ref()));
    if let Some(reason) = &signature.reason {
        println!("  reason:  {}", printable(reason));
    }
    if verified.is_some() {
        println!("  covers:  {}", coverage(signature.coverage));
    }
    verdict
}

/// Whether signer and time-stamping authority were entitled.
async fn by_certificates(public: &Public, now: Timestamp, verified: &Verified) -> Verdict {
    let mut verdict = Verdict::Valid;
    let mut proven_at = None;
    if let Some(stamp) = &verified.time_stamp {
        verdict = by_authority(public, now, stamp).await.of("time-stamp");
        if verdict == Verdict::Valid {
            proven_at = Some(stamp.gen_time);
        }
    }
    let chain = public.chain(&verified.certificate, &verified.certificates);
    let grounds = Grounds {
        anchors: &public.anchors,
        crls: &public.lists(&chain).await,
        now,
        proven_at,
        purpose: ID_KP_DOCUMENT_SIGNING,
    };
    grounds.judge(&chain).of("signer").and(verdict)
}

async fn by_authority(public: &Public, now: Timestamp, stamp: &SignatureTimeStamp) -> Verdict {
    let chain = public.chain(&stamp.certificate, &stamp.certificates);
    let grounds = Grounds {
        anchors: &public.anchors,
        crls: &public.lists(&chain).await,
        now,
        proven_at: None,
        purpose: ID_KP_TIME_STAMPING,
    };
    grounds.judge(&chain)
}

fn when(signature: &Signature, verified: Option<&Verified>) -> String {
    if let Some(stamp) = verified.and_then(|verified| verified.time_stamp.as_ref()) {
        return format!("{}, says {}", stamp.gen_time, holder(&stamp.certificate));
    }
    match &signature.signed_at {
        Some(claimed) if verified.is_none() => {
            format!("{} is written in it, proven by nothing", printable(claimed))
        }
        Some(claimed) => format!("{}, says the signer alone", printable(claimed)),
        None => "no time is stated".to_owned(),
    }
}

fn coverage(coverage: Coverage) -> String {
    match coverage {
        Coverage::WholeFile => "the whole file; nothing changed since".to_owned(),
        Coverage::Revision => {
            "an earlier state of the file; since then only signatures or validation data were added"
                .to_owned()
        }
        Coverage::ChangedSince(what) => {
            format!("an earlier state of the file, changed since: {what}")
        }
    }
}
