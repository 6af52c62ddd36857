//! Client authentication (RFC 6749 §2.3, OpenID Connect Core §9).

use actix_web::HttpRequest;
use actix_web::http::header;
use base64ct::{Base64, Encoding};
use domain::oidc::{AuthMethod, Client, ClientId, Error, ErrorCode, Parameters};
use subtle::ConstantTimeEq;

use super::assertion;
use super::failure::{Failure, refuse};
use crate::app::App;

/// What a request shows as proof.
enum Proof {
    Assertion(String),
    Secret { secret: String, in_header: bool },
    Nothing,
}

/// Whether the request carries HTTP Basic credentials; the challenge of an error depends on it.
pub(super) fn uses_header(request: &HttpRequest) -> bool {
    request.headers().contains_key(header::AUTHORIZATION)
}

/// The client that made the request, proven by the method it is registered with and no other.
pub(super) async fn authenticate(
    request: &HttpRequest,
    app: &App,
    parameters: &Parameters,
) -> Result<Client, Failure> {
    let (id, proof) = read(request, parameters)?;
    app.oidc
        .client_limit()
        .admit(&id.to_string())
        .map_err(|wait| Failure::TooMany { wait })?;
    let now = app.sources.now();
    let wanted = id.clone();
    let (client, secrets) = app
        .store
        .read(move |r| {
            Ok((
                r.find_client(&wanted)?,
                r.list_client_secret_hashes(&wanted, now)?,
            ))
        })
        .await?;
    let client = client.filter(|client| client.enabled).ok_or_else(unknown)?;
    match (client.auth_method, proof) {
        (AuthMethod::PrivateKeyJwt, Proof::Assertion(token)) => {
            assertion::check(app, &client, &token).await?;
        }
        (
            AuthMethod::ClientSecretBasic,
            Proof::Secret {
                secret,
                in_header: true,
            },
        )
        | (
            AuthMethod::ClientSecretPost,
            Proof::Secret {
                secret,
                in_header: false,
            },
        ) => {
            if !is_known(&secret, &secrets) {
                return Err(unknown());
            }
        }
        (AuthMethod::None, Proof::Nothing) => {}
        _ => return Err(unknown()),
    }
    Ok(client)
}

/// One error for every failed proof: it does not tell which part was wrong.
fn unknown() -> Failure {
    refuse(ErrorCode::InvalidClient, "client authentication failed")
}

fn is_known(secret: &str, hashes: &[Vec<u8>]) -> bool {
    let presented = super::hash(secret);
    // Every hash is compared, so that time tells nothing about which one fits.
    hashes.iter().fold(false, |found, hash| {
        found | bool::from(hash.as_slice().ct_eq(&presented))
    })
}

fn read(request: &HttpRequest, parameters: &Parameters) -> Result<(ClientId, Proof), Failure> {
    let header = request.headers().get(header::AUTHORIZATION);
    let by_assertion = parameters.contains("client_assertion");
    let by_body = parameters.contains("client_secret");
    if usize::from(header.is_some()) + usize::from(by_assertion) + usize::from(by_body) > 1 {
        return Err(refuse(
            ErrorCode::InvalidRequest,
            "more than one client authentication method",
        ));
    }
    let named = parameters.find("client_id").map(str::to_owned);
    let (id, proof) = if let Some(header) = header {
        let (id, secret) = header.to_str().ok().and_then(parse_basic).ok_or_else(|| {
            refuse(
                ErrorCode::InvalidClient,
                "the Authorization header is not Basic",
            )
        })?;
        (
            Some(id),
            Proof::Secret {
                secret,
                in_header: true,
            },
        )
    } else if let Some(token) = parameters.find("client_assertion") {
        if parameters.find("client_assertion_type") != Some(assertion::ASSERTION_TYPE) {
            return Err(refuse(
                ErrorCode::InvalidRequest,
                "client_assertion_type is not jwt-bearer",
            ));
        }
        (
            assertion::issuer_of(token),
            Proof::Assertion(token.to_owned()),
        )
    } else if let Some(secret) = parameters.find("client_secret") {
        (
            named.clone(),
            Proof::Secret {
                secret: secret.to_owned(),
                in_header: false,
            },
        )
    } else {
        (named.clone(), Proof::Nothing)
    };
    let id = id.ok_or_else(unknown)?;
    if named.is_some_and(|named| named != id) {
        return Err(Failure::Protocol(Error::new(
            ErrorCode::InvalidClient,
            "client_id is not the authenticated client",
        )));
    }
    let id = ClientId::parse(&id).map_err(|_| unknown())?;
    Ok((id, proof))
}

/// Id and secret of HTTP Basic, form-decoded as RFC 6749 §2.3.1 says.
fn parse_basic(value: &str) -> Option<(String, String)> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(Base64::decode_vec(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((form_decode(id)?, form_decode(secret)?))
}

fn form_decode(text: &str) -> Option<String> {
    // A lone "&" or "=" would be read as structure: credentials that are encoded as they should be have neither.
    if text.contains(['&', '=']) {
        return Some(text.to_owned());
    }
    let (decoded, _) = url::form_urlencoded::parse(text.as_bytes()).next()?;
    Some(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_form_decoded() {
        let header = format!("Basic {}", Base64::encode_string(b"gdt:a%2Bb%25"));
        assert_eq!(
            parse_basic(&header),
            Some(("gdt".to_owned(), "a+b%".to_owned()))
        );
        assert_eq!(parse_basic("Bearer x"), None);
        assert_eq!(parse_basic("Basic !"), None);
        assert_eq!(
            parse_basic(&format!("Basic {}", Base64::encode_string(b"nocolon"))),
            None
        );
    }

    #[test]
    fn a_secret_is_known_by_its_hash_alone() {
        let hashes = vec![
            super::super::hash("one").to_vec(),
            super::super::hash("two").to_vec(),
        ];
        assert!(is_known("two", &hashes));
        assert!(!is_known("three", &hashes));
        assert!(!is_known("", &[]));
    }
}
