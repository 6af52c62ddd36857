//! One public key, parsed once and used for many verifications.

use der::Encode;
use openssl::bn::BigNum;
use openssl::ec::EcKey;
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::md::Md;
use openssl::pkey::{PKey, Public};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Verifier};
use spki::SubjectPublicKeyInfoOwned;

use crate::scheme::Digest;
use crate::{KeyAlgorithm, SignatureScheme, VerifyError, ecdsa};

/// What a signature covers: a whole message, or its digest when only that is at hand.
#[derive(Debug)]
pub(crate) enum Signed<'a> {
    /// The message; hashed as the scheme says.
    Message(&'a [u8]),
    /// The digest of the message, made elsewhere.
    Digest(Digest),
}

/// A public key in OpenSSL's form.
#[derive(Debug)]
pub(crate) struct PublicKey {
    key: PKey<Public>,
    /// The same key for ECDSA, which OpenSSL 3.0 verifies faster without looking an implementation up each time.
    elliptic: Option<EcKey<Public>>,
    algorithm: Option<KeyAlgorithm>,
}

impl PublicKey {
    /// Parses a SubjectPublicKeyInfo; OpenSSL checks that points lie on their curve.
    pub(crate) fn parse(public_key: &SubjectPublicKeyInfoOwned) -> Result<Self, VerifyError> {
        let unusable = |text: String| VerifyError::PublicKey(text);
        let der = public_key.to_der().map_err(|e| unusable(e.to_string()))?;
        let key = PKey::public_key_from_der(&der).map_err(|_| unusable("malformed".to_owned()))?;
        Ok(Self {
            elliptic: key.ec_key().ok(),
            key,
            algorithm: KeyAlgorithm::of(public_key),
        })
    }

    /// Succeeds when the signature verifies under this key by `scheme`.
    pub(crate) fn verify(
        &self,
        scheme: SignatureScheme,
        signed: &Signed<'_>,
        signature: &[u8],
    ) -> Result<(), VerifyError> {
        if !self.fits(scheme) {
            return Err(VerifyError::PublicKey(format!(
                "not a key for {}",
                scheme.jose_alg()
            )));
        }
        let verified = match (signed, scheme) {
            (Signed::Message(message), scheme) if scheme.signs_message() => {
                self.verify_message(message, signature)
            }
            (Signed::Message(message), _) => match scheme.digest(message) {
                Some(digest) => self.verify_digest(scheme, &digest, signature),
                None => Ok(false),
            },
            (Signed::Digest(_), scheme) if scheme.signs_message() => Ok(false),
            (Signed::Digest(digest), _) => self.verify_digest(scheme, digest, signature),
        };
        match verified {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(VerifyError::Signature),
        }
    }

    /// RSA keys of odd sizes are for others to judge: they verify, but are never made here.
    fn fits(&self, scheme: SignatureScheme) -> bool {
        let rsa = matches!(
            scheme,
            SignatureScheme::RsaPkcs1Sha256 | SignatureScheme::RsaPssSha256
        );
        match self.algorithm {
            Some(algorithm) => algorithm.fits(scheme),
            None => rsa && self.key.rsa().is_ok(),
        }
    }

    fn verify_message(&self, message: &[u8], signature: &[u8]) -> Result<bool, ErrorStack> {
        Verifier::new_without_digest(&self.key)?.verify_oneshot(signature, message)
    }

    /// The signature must be DER in every byte, and is then checked as the two numbers it holds.
    fn verify_ecdsa(
        &self,
        scheme: SignatureScheme,
        digest: &Digest,
        signature: &[u8],
    ) -> Result<bool, ErrorStack> {
        let (Some(key), Ok(raw)) = (&self.elliptic, ecdsa::raw_from_der(scheme, signature)) else {
            return Ok(false);
        };
        let (r, s) = raw.split_at(raw.len() / 2);
        EcdsaSig::from_private_components(BigNum::from_slice(r)?, BigNum::from_slice(s)?)?
            .verify(digest.as_bytes(), key)
    }

    fn verify_digest(
        &self,
        scheme: SignatureScheme,
        digest: &Digest,
        signature: &[u8],
    ) -> Result<bool, ErrorStack> {
        if scheme.ecdsa_scalar_length().is_some() {
            return self.verify_ecdsa(scheme, digest, signature);
        }
        let md = match digest {
            Digest::Sha256(_) => Md::sha256(),
            Digest::Sha384(_) => Md::sha384(),
        };
        let mut context = PkeyCtx::new(&self.key)?;
        context.verify_init()?;
        match scheme {
            SignatureScheme::RsaPkcs1Sha256 => context.set_rsa_padding(Padding::PKCS1)?,
            SignatureScheme::RsaPssSha256 => {
                context.set_rsa_padding(Padding::PKCS1_PSS)?;
                context.set_rsa_mgf1_md(md)?;
                context.set_rsa_pss_saltlen(RsaPssSaltlen::custom(
                    i32::try_from(MessageDigest::sha256().size()).unwrap_or(i32::MAX),
                ))?;
            }
            SignatureScheme::EcdsaP256Sha256
            | SignatureScheme::EcdsaP384Sha384
            | SignatureScheme::Ed25519 => {}
            #[cfg(feature = "embedded")]
            SignatureScheme::MlDsa65 => {}
        }
        context.set_signature_md(md)?;
        context.verify(digest.as_bytes(), signature)
    }
}
