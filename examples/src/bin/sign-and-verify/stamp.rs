//! A time-stamp for a file.

use std::fs;
use std::path::Path;

use hsm_bridge::verify::OpenSslVerifier;
use pki::cms::DigestAlgorithm;
use pki::extension::ID_KP_TIME_STAMPING;
use pki::tsp::{MessageImprint, TimeStampRequest, verify_response};
use service::Sources;

use super::public::{Public, holder};
use super::verdict::{Grounds, Verdict};

/// Gets and checks a time-stamp, and writes it only if it is good.
pub(crate) async fn run(
    public: &Public,
    sources: &Sources,
    file: &Path,
    out: &Path,
) -> Result<Verdict, String> {
    let content = fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let digest = DigestAlgorithm::Sha256;
    let imprint =
        MessageImprint::new(digest, &digest.digest(&[&content])).map_err(|e| e.to_string())?;
    let request = TimeStampRequest::new(imprint.clone(), sources.random());
    let response = public
        .time_stamp(request.to_der().map_err(|e| e.to_string())?)
        .await?;
    let token = match verify_response(&response, &request, &OpenSslVerifier) {
        Ok(token) => token,
        Err(error) => return Ok(told(Verdict::NotValid(error.to_string()))),
    };
    let authority = token
        .verify(&imprint, &OpenSslVerifier)
        .map_err(|e| e.to_string())?;
    let chain = public.chain(authority, token.certificates());
    let grounds = Grounds {
        anchors: &public.anchors,
        crls: &public.lists(&chain).await,
        now: sources.now(),
        proven_at: None,
        purpose: ID_KP_TIME_STAMPING,
    };
    let verdict = told(grounds.judge(&chain));
    println!("  file:   {}", file.display());
    println!("  at:     {}", token.gen_time);
    println!("  by:     {}", holder(authority));
    println!("  policy: {}", token.policy);
    if verdict == Verdict::Valid {
        fs::write(out, &response).map_err(|e| format!("{}: {e}", out.display()))?;
        println!("  kept:   {}", out.display());
    }
    Ok(verdict)
}

fn told(verdict: Verdict) -> Verdict {
    println!("time-stamp: {verdict}");
    verdict
}
