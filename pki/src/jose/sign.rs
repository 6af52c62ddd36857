//! Making a compact JWS with a key in the token.

use base64ct::{Base64UrlUnpadded as B64, Encoding};
use hsm_bridge::{Signer, ecdsa};
use serde_json::{Map, Value};

use super::{JoseError, MAX_TOKEN_BYTES};

/// A header with `typ` and `kid`; [`sign_compact`] adds `alg`.
pub fn header(typ: &str, kid: &str) -> Map<String, Value> {
    let mut header = Map::new();
    header.insert("typ".to_owned(), typ.into());
    header.insert("kid".to_owned(), kid.into());
    header
}

/// Signs `payload` as a compact JWS (RFC 7515 §7.1). `alg` is the signer's; a different one in `header` is
/// refused. Blocks while the token signs.
pub fn sign_compact(
    mut header: Map<String, Value>,
    payload: &[u8],
    signer: &dyn Signer,
) -> Result<String, JoseError> {
    let scheme = signer.scheme();
    let alg = Value::from(scheme.jose_alg());
    if header.get("alg").is_some_and(|given| *given != alg) {
        return Err(JoseError::Algorithm);
    }
    header.insert("alg".to_owned(), alg);
    let header = Value::Object(header).to_string();
    let mut token = B64::encode_string(header.as_bytes());
    token.push('.');
    token.push_str(&B64::encode_string(payload));
    let signature = signer.sign(token.as_bytes()).map_err(JoseError::Sign)?;
    let signature = match scheme.ecdsa_scalar_length() {
        Some(_) => ecdsa::raw_from_der(scheme, &signature).map_err(JoseError::Sign)?,
        None => signature,
    };
    token.push('.');
    token.push_str(&B64::encode_string(&signature));
    if token.len() > MAX_TOKEN_BYTES {
        return Err(JoseError::TooLarge("token"));
    }
    Ok(token)
}
