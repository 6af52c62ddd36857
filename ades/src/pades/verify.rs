//! Whether a signature holds: digest of the covered bytes, CMS, and the time-stamp over it. Whose certificate it
//! is, and whether it was valid, is path validation's question at the time the caller trusts.

use hsm_bridge::{SignatureScheme, SignatureVerifier};
use jiff::Timestamp;
use pki::Certificate;
use pki::cms::{CmsError, Signed, SignedData};
use pki::tsp::{MessageImprint, TimeStampToken};

use super::{Coverage, PadesError, Signature};

/// The only form of signature a baseline file has (EN 319 142-1 §6.3).
const CADES_DETACHED: &str = "ETSI.CAdES.detached";

/// A signature that holds.
#[derive(Clone, Debug)]
pub struct Verified {
    /// Whose key signed.
    pub certificate: Certificate,
    /// Everything the signature carries for building a path.
    pub certificates: Vec<Certificate>,
    /// How it was signed.
    pub scheme: SignatureScheme,
    /// The first time-stamp over it, at level B-T and above.
    pub time_stamp: Option<SignatureTimeStamp>,
}

/// A time-stamp that holds.
#[derive(Clone, Debug)]
pub struct SignatureTimeStamp {
    /// The time stated.
    pub gen_time: Timestamp,
    /// The authority.
    pub certificate: Certificate,
    /// Everything the token carries for building a path.
    pub certificates: Vec<Certificate>,
}

impl Signature {
    /// Checks this signature of `pdf`, the file it was read from. A file changed after signing is refused.
    pub fn verify(
        &self,
        pdf: &[u8],
        verifier: &dyn SignatureVerifier,
    ) -> Result<Verified, PadesError> {
        if self.sub_filter != CADES_DETACHED {
            return Err(PadesError::Signature(
                "SubFilter is not ETSI.CAdES.detached",
            ));
        }
        if let Coverage::ChangedSince(what) = self.coverage {
            return Err(PadesError::Changed(what));
        }
        let before = pdf.get(..self.gap.start);
        let after = pdf.get(self.gap.end..self.end);
        let (Some(before), Some(after)) = (before, after) else {
            return Err(PadesError::Changed("it is shorter than what was signed"));
        };
        let signed_data = SignedData::parse(&self.contents)?;
        let signers = signed_data
            .verify(Signed::Detached(&[before, after]), verifier)
            .map_err(|error| match error {
                CmsError::Digest => PadesError::Changed("its digest is not the one signed"),
                other => other.into(),
            })?;
        // EN 319 142-1 §5.3: one SignerInfo.
        let [signer] = signers.as_slice() else {
            return Err(PadesError::Signature("one signer expected"));
        };
        let mut time_stamp = None;
        for token in signer.info.time_stamp_tokens() {
            let checked = check_token(token, signer.info.signature(), verifier)?;
            time_stamp.get_or_insert(checked);
        }
        Ok(Verified {
            certificate: signer.certificate.clone(),
            certificates: signed_data.certificates.clone(),
            scheme: signer.scheme,
            time_stamp,
        })
    }
}

fn check_token(
    token: &[u8],
    signature: &[u8],
    verifier: &dyn SignatureVerifier,
) -> Result<SignatureTimeStamp, PadesError> {
    let token = TimeStampToken::parse(token)?;
    let digest = token.imprint.digest;
    let imprint = MessageImprint::new(digest, &digest.digest(&[signature]))?;
    let certificate = token.verify(&imprint, verifier)?.clone();
    Ok(SignatureTimeStamp {
        gen_time: token.gen_time,
        certificate,
        certificates: token.certificates().to_vec(),
    })
}
