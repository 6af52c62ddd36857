//! Public keys as JSON Web Keys: EC (P-256, P-384), OKP (Ed25519) and RSA. Private members are refused, so a
//! `Jwk` can always be published.

use base64ct::{Base64UrlUnpadded as B64, Encoding};
use const_oid::ObjectIdentifier;
use der::asn1::{BitString, UintRef};
use der::{Any, Decode, Encode, Sequence};
use hsm_bridge::SignatureScheme;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use super::{JoseError, MAX_KID_BYTES, json};

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// Smallest and largest RSA modulus taken, in bytes (RFC 7518 §3.3; the top bounds the cost of one check).
const RSA_MODULUS_BYTES: core::ops::RangeInclusive<usize> = 256..=512;
/// Longest RSA public exponent taken, in bytes.
const RSA_EXPONENT_MAX_BYTES: usize = 4;
/// Smallest RSA public exponent taken.
const RSA_EXPONENT_MIN: u32 = 65_537;
/// Members that only a private or symmetric key has (RFC 7518 §6.2.2, §6.3.2, §6.4).
pub(super) const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

#[derive(Clone, Debug, PartialEq, Eq)]
enum Material {
    P256 { x: [u8; 32], y: [u8; 32] },
    P384 { x: [u8; 48], y: [u8; 48] },
    Ed25519 { x: [u8; 32] },
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    public_exponent: UintRef<'a>,
}

/// One public key (RFC 7517 §4), for signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwk {
    material: Material,
    kid: Option<String>,
    scheme: Option<SignatureScheme>,
}

impl Jwk {
    /// The JWK of a public key; `kid` is its RFC 7638 thumbprint and `alg` the scheme handed in.
    pub fn from_spki(
        spki: &SubjectPublicKeyInfoOwned,
        scheme: Option<SignatureScheme>,
    ) -> Result<Self, JoseError> {
        let mut key = Self {
            material: material(spki)?,
            kid: None,
            scheme,
        };
        if scheme.is_some_and(|s| !key.permits(s)) {
            return Err(JoseError::Key("alg does not fit the key"));
        }
        key.kid = Some(thumbprint(&key));
        Ok(key)
    }

    /// The JWK a signer's tokens verify with.
    pub fn from_signer(signer: &dyn hsm_bridge::Signer) -> Result<Self, JoseError> {
        Self::from_spki(signer.public_key(), Some(signer.scheme()))
    }

    /// Parses a JWK from JSON text, refusing duplicate members.
    pub fn parse(text: &[u8]) -> Result<Self, JoseError> {
        Self::from_object(&json::parse_object(text)?)
    }

    /// Reads a JWK from an already parsed JSON value.
    pub fn from_value(value: &Value) -> Result<Self, JoseError> {
        Self::from_object(value.as_object().ok_or(JoseError::Key("not an object"))?)
    }

    fn from_object(map: &Map<String, Value>) -> Result<Self, JoseError> {
        if PRIVATE_MEMBERS.iter().any(|name| map.contains_key(*name)) {
            return Err(JoseError::Key("private or symmetric key"));
        }
        if optional(map, "use")?.is_some_and(|u| u != "sig") {
            return Err(JoseError::Key("use is not sig"));
        }
        if let Some(operations) = map.get("key_ops") {
            let operations = operations.as_array().ok_or(JoseError::Key("key_ops"))?;
            if !operations.iter().any(|o| o == "verify") {
                return Err(JoseError::Key("key_ops without verify"));
            }
        }
        let kid = optional(map, "kid")?.map(str::to_owned);
        if kid.as_ref().is_some_and(|k| k.len() > MAX_KID_BYTES) {
            return Err(JoseError::TooLarge("kid"));
        }
        let scheme = match optional(map, "alg")? {
            None => None,
            Some(name) => Some(super::verify::scheme(name).ok_or(JoseError::Key("alg"))?),
        };
        let key = Self {
            material: material_from_members(map)?,
            kid,
            scheme,
        };
        if scheme.is_some_and(|s| !key.permits(s)) {
            return Err(JoseError::Key("alg does not fit the key"));
        }
        Ok(key)
    }

    /// The key's identifier, an opaque name.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The same key under another name.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        self.kid = Some(kid.into());
        self
    }

    /// The one scheme this key is made for, where its `alg` says so.
    pub fn scheme(&self) -> Option<SignatureScheme> {
        self.scheme
    }

    /// RFC 7638 SHA-256 thumbprint, base64url.
    pub fn thumbprint(&self) -> String {
        thumbprint(self)
    }

    /// Whether a signature of this scheme may be checked with this key: kind of key, and `alg` where present.
    pub fn permits(&self, scheme: SignatureScheme) -> bool {
        use SignatureScheme as S;
        let fits = match self.material {
            Material::P256 { .. } => scheme == S::EcdsaP256Sha256,
            Material::P384 { .. } => scheme == S::EcdsaP384Sha384,
            Material::Ed25519 { .. } => scheme == S::Ed25519,
            Material::Rsa { .. } => matches!(scheme, S::RsaPkcs1Sha256 | S::RsaPssSha256),
        };
        fits && self.scheme.is_none_or(|own| own == scheme)
    }

    /// The key as SubjectPublicKeyInfo (RFC 5280 §4.1.2.7).
    pub fn to_spki(&self) -> Result<SubjectPublicKeyInfoOwned, JoseError> {
        let bad = |_| JoseError::Key("encoding");
        let (oid, parameters, bits) = match &self.material {
            Material::P256 { x, y } => (EC_PUBLIC_KEY, Some(SECP256R1), point(x, y)),
            Material::P384 { x, y } => (EC_PUBLIC_KEY, Some(SECP384R1), point(x, y)),
            Material::Ed25519 { x } => (ED25519, None, x.to_vec()),
            Material::Rsa { n, e } => {
                let modulus = UintRef::new(n).map_err(bad)?;
                let public_exponent = UintRef::new(e).map_err(bad)?;
                let key = RsaPublicKey {
                    modulus,
                    public_exponent,
                };
                (RSA_ENCRYPTION, None, key.to_der().map_err(bad)?)
            }
        };
        let parameters = match (&self.material, parameters) {
            (Material::Rsa { .. }, _) => Some(Any::null()),
            (_, Some(curve)) => Some(Any::encode_from(&curve).map_err(bad)?),
            (_, None) => None,
        };
        Ok(SubjectPublicKeyInfoOwned {
            algorithm: AlgorithmIdentifierOwned { oid, parameters },
            subject_public_key: BitString::from_bytes(&bits).map_err(bad)?,
        })
    }

    fn members(&self) -> Value {
        let b64 = |bytes: &[u8]| B64::encode_string(bytes);
        match &self.material {
            Material::P256 { x, y } => {
                json!({"crv": "P-256", "kty": "EC", "x": b64(x), "y": b64(y)})
            }
            Material::P384 { x, y } => {
                json!({"crv": "P-384", "kty": "EC", "x": b64(x), "y": b64(y)})
            }
            Material::Ed25519 { x } => json!({"crv": "Ed25519", "kty": "OKP", "x": b64(x)}),
            Material::Rsa { n, e } => json!({"e": b64(e), "kty": "RSA", "n": b64(n)}),
        }
    }

    /// The key as a JSON object with `kid`, `use` and `alg`.
    pub fn to_value(&self) -> Value {
        let mut value = self.members();
        if let Some(map) = value.as_object_mut() {
            map.insert("use".to_owned(), "sig".into());
            if let Some(kid) = &self.kid {
                map.insert("kid".to_owned(), kid.as_str().into());
            }
            if let Some(scheme) = self.scheme {
                map.insert("alg".to_owned(), scheme.jose_alg().into());
            }
        }
        value
    }
}

/// RFC 7638 thumbprint: base64url of SHA-256 over the required members in lexical order.
pub fn thumbprint(key: &Jwk) -> String {
    // Written out, not serialised: the order of members must not depend on a feature of the JSON library.
    let b64 = |bytes: &[u8]| B64::encode_string(bytes);
    let ec = |crv: &str, x: &[u8], y: &[u8]| {
        format!(
            r#"{{"crv":"{crv}","kty":"EC","x":"{}","y":"{}"}}"#,
            b64(x),
            b64(y)
        )
    };
    let text = match &key.material {
        Material::P256 { x, y } => ec("P-256", x, y),
        Material::P384 { x, y } => ec("P-384", x, y),
        Material::Ed25519 { x } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, b64(x)),
        Material::Rsa { n, e } => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, b64(e), b64(n)),
    };
    B64::encode_string(&Sha256::digest(text.as_bytes()))
}

fn point(x: &[u8], y: &[u8]) -> Vec<u8> {
    [&[4u8][..], x, y].concat()
}

fn material(spki: &SubjectPublicKeyInfoOwned) -> Result<Material, JoseError> {
    let bits = spki
        .subject_public_key
        .as_bytes()
        .ok_or(JoseError::Key("unused bits"))?;
    let oid = spki.algorithm.oid;
    if oid == ED25519 {
        let x = bits.try_into().map_err(|_| JoseError::Key("length"))?;
        return Ok(Material::Ed25519 { x });
    }
    if oid == RSA_ENCRYPTION {
        let key = RsaPublicKey::from_der(bits).map_err(|_| JoseError::Key("RSA encoding"))?;
        return rsa(key.modulus.as_bytes(), key.public_exponent.as_bytes());
    }
    if oid != EC_PUBLIC_KEY {
        return Err(JoseError::Key("kind of key"));
    }
    let curve = spki
        .algorithm
        .parameters
        .as_ref()
        .ok_or(JoseError::Key("curve"))?;
    let curve: ObjectIdentifier = curve.decode_as().map_err(|_| JoseError::Key("curve"))?;
    let (4, coordinates) = bits.split_first().ok_or(JoseError::Key("point"))? else {
        return Err(JoseError::Key("compressed point"));
    };
    let (x, y) = coordinates.split_at(coordinates.len() / 2);
    ec(curve, x, y)
}

fn ec(curve: ObjectIdentifier, x: &[u8], y: &[u8]) -> Result<Material, JoseError> {
    let bad = |_| JoseError::Key("coordinate length");
    if curve == SECP256R1 {
        return Ok(Material::P256 {
            x: x.try_into().map_err(bad)?,
            y: y.try_into().map_err(bad)?,
        });
    }
    if curve == SECP384R1 {
        return Ok(Material::P384 {
            x: x.try_into().map_err(bad)?,
            y: y.try_into().map_err(bad)?,
        });
    }
    Err(JoseError::Key("curve"))
}

fn rsa(n: &[u8], e: &[u8]) -> Result<Material, JoseError> {
    if !RSA_MODULUS_BYTES.contains(&n.len()) || n.first() == Some(&0) {
        return Err(JoseError::Key("RSA modulus size"));
    }
    let exponent = e
        .iter()
        .fold(0u32, |sum, byte| (sum << 8) | u32::from(*byte));
    let odd = exponent % 2 == 1;
    if e.len() > RSA_EXPONENT_MAX_BYTES
        || e.first() == Some(&0)
        || exponent < RSA_EXPONENT_MIN
        || !odd
    {
        return Err(JoseError::Key("RSA exponent"));
    }
    Ok(Material::Rsa {
        n: n.to_vec(),
        e: e.to_vec(),
    })
}

fn material_from_members(map: &Map<String, Value>) -> Result<Material, JoseError> {
    let bytes = |name: &'static str| -> Result<Vec<u8>, JoseError> {
        let text = optional(map, name)?.ok_or(JoseError::Key(name))?;
        if text.len() > 2 * RSA_MODULUS_BYTES.end() {
            return Err(JoseError::TooLarge("key member"));
        }
        B64::decode_vec(text).map_err(|_| JoseError::Key(name))
    };
    let curve = optional(map, "crv")?;
    match (optional(map, "kty")?, curve) {
        (Some("EC"), Some("P-256")) => ec(SECP256R1, &bytes("x")?, &bytes("y")?),
        (Some("EC"), Some("P-384")) => ec(SECP384R1, &bytes("x")?, &bytes("y")?),
        (Some("OKP"), Some("Ed25519")) => {
            let x = bytes("x")?.try_into().map_err(|_| JoseError::Key("x"))?;
            Ok(Material::Ed25519 { x })
        }
        (Some("RSA"), _) => rsa(&bytes("n")?, &bytes("e")?),
        _ => Err(JoseError::Key("kty or crv")),
    }
}

fn optional<'a>(
    map: &'a Map<String, Value>,
    name: &'static str,
) -> Result<Option<&'a str>, JoseError> {
    match map.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(JoseError::Key(name)),
    }
}

impl Serialize for Jwk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_value().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Jwk {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_value(&Value::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
#[path = "jwk_tests.rs"]
mod tests;
