//! Reading and checking a compact JWS. Parsing gives an [`Unverified`], whose payload may be used only to find
//! the key (`iss`, `client_id`); [`Verified`] comes out of a signature check alone.

use base64ct::{Base64UrlUnpadded as B64, Encoding};
use hsm_bridge::{SignatureScheme, SignatureVerifier, ecdsa};
use serde_json::{Map, Value};

use super::json;
use super::{JoseError, Jwk, Jwks, MAX_HEADER_BYTES, MAX_KID_BYTES, MAX_TOKEN_BYTES};

/// Header members never accepted: they change how the payload is read or bring keys of their own. `x5t` only
/// hints at a key, and is ignored.
const REFUSED_MEMBERS: [&str; 7] = ["crit", "b64", "zip", "jku", "x5u", "x5c", "enc"];

/// Where the key comes from.
#[derive(Clone, Copy, Debug)]
pub enum KeySource<'a> {
    /// This key; a `kid` in the header must be its own if both have one.
    Key(&'a Jwk),
    /// The key of this set named by `kid`, or, without `kid`, the only one that fits the algorithm.
    Set(&'a Jwks),
    /// The header's own `jwk` (DPoP, RFC 9449 §4.2): proves possession, never identity.
    Embedded,
}

impl<'a> From<&'a Jwk> for KeySource<'a> {
    fn from(key: &'a Jwk) -> Self {
        Self::Key(key)
    }
}

impl<'a> From<&'a Jwks> for KeySource<'a> {
    fn from(keys: &'a Jwks) -> Self {
        Self::Set(keys)
    }
}

/// What the caller accepts.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Schemes accepted; empty accepts nothing.
    pub allowed: &'a [SignatureScheme],
    /// Values of `typ` accepted, compared without case and without a leading `application/` (RFC 7515 §4.1.9).
    /// Empty: `typ` is not looked at. An entry `""` stands for an absent `typ`.
    pub typ: &'a [&'a str],
}

/// A parsed token, nothing of which is proven yet.
#[derive(Clone, Debug)]
pub struct Unverified {
    header: Map<String, Value>,
    scheme: SignatureScheme,
    signing_input: String,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// A token whose signature was checked.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The protected header.
    pub header: Map<String, Value>,
    /// The payload's bytes.
    pub payload: Vec<u8>,
    /// The key that verified.
    pub key: Jwk,
}

impl Verified {
    /// The payload as a JSON object without duplicate members, as a JWT claims set is (RFC 7519 §4).
    pub fn claims(&self) -> Result<Map<String, Value>, JoseError> {
        json::parse_object(&self.payload)
    }
}

/// The scheme of a JOSE `alg` name; `none`, HS* and unknown names have none.
pub(super) fn scheme(alg: &str) -> Option<SignatureScheme> {
    // RFC 9864 gives Ed25519 its own name beside the older, polymorphic "EdDSA".
    if alg == "Ed25519" {
        return Some(SignatureScheme::Ed25519);
    }
    SignatureScheme::from_jose_alg(alg)
}

/// Parses a compact JWS (RFC 7515 §7.1) without trusting it.
pub fn parse_compact(token: &str) -> Result<Unverified, JoseError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(JoseError::TooLarge("token"));
    }
    let (signing_input, signature) = token.rsplit_once('.').ok_or(JoseError::Malformed)?;
    let (header, payload) = signing_input.split_once('.').ok_or(JoseError::Malformed)?;
    if header.len() > MAX_HEADER_BYTES {
        return Err(JoseError::TooLarge("header"));
    }
    if payload.contains('.') {
        return Err(JoseError::Malformed);
    }
    let decode = |text: &str| B64::decode_vec(text).map_err(|_| JoseError::Malformed);
    let header = json::parse_object(&decode(header)?)?;
    for member in REFUSED_MEMBERS {
        if header.contains_key(member) {
            return Err(JoseError::HeaderMember(member));
        }
    }
    let alg = header
        .get("alg")
        .and_then(Value::as_str)
        .ok_or(JoseError::Algorithm)?;
    let scheme = scheme(alg).ok_or(JoseError::Algorithm)?;
    check_strings(&header)?;
    let (payload, signature) = (decode(payload)?, decode(signature)?);
    if signature.is_empty() {
        return Err(JoseError::Malformed);
    }
    Ok(Unverified {
        header,
        scheme,
        signing_input: signing_input.to_owned(),
        payload,
        signature,
    })
}

fn check_strings(header: &Map<String, Value>) -> Result<(), JoseError> {
    for name in ["kid", "typ", "cty"] {
        match header.get(name) {
            None => {}
            Some(Value::String(text)) if text.len() <= MAX_KID_BYTES => {}
            Some(_) => return Err(JoseError::HeaderMember(name)),
        }
    }
    Ok(())
}

/// Parses `token` and checks it against `keys` under `rules`.
pub fn verify<'a>(
    token: &str,
    keys: impl Into<KeySource<'a>>,
    rules: &Rules<'_>,
    verifier: &dyn SignatureVerifier,
) -> Result<Verified, JoseError> {
    parse_compact(token)?.verify(keys, rules, verifier)
}

impl Unverified {
    /// The protected header, unproven.
    pub fn header(&self) -> &Map<String, Value> {
        &self.header
    }

    /// `kid`, unproven and opaque.
    pub fn kid(&self) -> Option<&str> {
        self.header.get("kid").and_then(Value::as_str)
    }

    /// The scheme `alg` names, unproven.
    pub fn scheme(&self) -> SignatureScheme {
        self.scheme
    }

    /// The payload's bytes, unproven: use them only to find out whose key to ask for.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The payload as a JSON object, unproven; see [`Unverified::payload`].
    pub fn claims(&self) -> Result<Map<String, Value>, JoseError> {
        json::parse_object(&self.payload)
    }

    /// Checks algorithm, type and signature, and gives the token back as proven.
    pub fn verify<'a>(
        self,
        keys: impl Into<KeySource<'a>>,
        rules: &Rules<'_>,
        verifier: &dyn SignatureVerifier,
    ) -> Result<Verified, JoseError> {
        if !rules.allowed.contains(&self.scheme) {
            return Err(JoseError::Algorithm);
        }
        self.check_type(rules.typ)?;
        let key = self.select(keys.into())?;
        let signature = match self.scheme.ecdsa_scalar_length() {
            Some(_) => ecdsa::der_from_raw(self.scheme, &self.signature)
                .map_err(|_| JoseError::Signature)?,
            None => self.signature,
        };
        verifier
            .verify(
                &key.to_spki()?,
                self.scheme,
                self.signing_input.as_bytes(),
                &signature,
            )
            .map_err(|_| JoseError::Signature)?;
        Ok(Verified {
            header: self.header,
            payload: self.payload,
            key,
        })
    }

    fn check_type(&self, accepted: &[&str]) -> Result<(), JoseError> {
        let short = |typ: &str| {
            let typ = typ.to_ascii_lowercase();
            typ.strip_prefix("application/")
                .map(str::to_owned)
                .unwrap_or(typ)
        };
        let own = short(
            self.header
                .get("typ")
                .and_then(Value::as_str)
                .unwrap_or_default(),
        );
        if accepted.is_empty() || accepted.iter().any(|typ| short(typ) == own) {
            return Ok(());
        }
        Err(JoseError::Type)
    }

    fn select(&self, keys: KeySource<'_>) -> Result<Jwk, JoseError> {
        let embedded = self.header.get("jwk");
        let key = match (keys, embedded) {
            (KeySource::Embedded, Some(value)) => Jwk::from_value(value)?,
            (KeySource::Embedded, None) => return Err(JoseError::UnknownKey),
            (_, Some(_)) => return Err(JoseError::HeaderMember("jwk")),
            (KeySource::Key(key), None) => {
                let differs = |kid: &str| key.kid().is_some_and(|own| own != kid);
                if self.kid().is_some_and(differs) {
                    return Err(JoseError::UnknownKey);
                }
                key.clone()
            }
            (KeySource::Set(set), None) => self.select_from(set)?,
        };
        if !key.permits(self.scheme) {
            return Err(JoseError::Algorithm);
        }
        Ok(key)
    }

    fn select_from(&self, set: &Jwks) -> Result<Jwk, JoseError> {
        let fits = |key: &&Jwk| key.permits(self.scheme);
        let mut found = match self.kid() {
            Some(kid) => set.with_kid(kid).filter(fits).collect::<Vec<_>>(),
            None => set.keys.iter().filter(fits).collect(),
        }
        .into_iter();
        match (found.next(), found.next()) {
            (Some(key), None) => Ok(key.clone()),
            (None, _) => Err(JoseError::UnknownKey),
            (Some(_), Some(_)) => Err(JoseError::AmbiguousKey),
        }
    }
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
