//! One code flow as a client with a secret and its user's browser make it.

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use conformance::load::Actor;
use conformance::load::http::{Answer, Connection, member};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use url::form_urlencoded::Serializer;

/// The provider, the client and the person.
#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    /// Address and port.
    address: String,
    /// Value of `Host`.
    host: String,
    /// Paths of the endpoints.
    par: String,
    authorize: String,
    token: String,
    userinfo: String,
    client_id: String,
    client_secret: String,
    redirect_uri: String,
    scope: String,
    /// Value of `Cookie`: the session of a person who consented.
    cookie: String,
    /// Makes verifiers of different runs different.
    seed: u64,
}

/// A connection that runs flows.
#[derive(Debug)]
pub(crate) struct Flow<'a> {
    target: &'a Target,
    connection: Connection,
    basic: String,
    number: u16,
    count: u64,
}

impl Actor for Flow<'_> {
    /// Runs one flow to its end.
    fn act(&mut self) -> Result<(), String> {
        self.count += 1;
        let verifier = self.verifier();
        let request_uri = self.push(&verifier)?;
        let code = self.authorize(&request_uri)?;
        let token = self.redeem(&code, &verifier)?;
        self.claims(&token)
    }
}

impl<'a> Flow<'a> {
    /// Connects; `number` tells the connections of one run apart.
    pub(crate) fn connect(target: &'a Target, number: u16) -> Result<Self, String> {
        let encode =
            |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        // RFC 6749 §2.3.1: both halves are form-encoded first.
        let pair = format!(
            "{}:{}",
            encode(&target.client_id),
            encode(&target.client_secret)
        );
        Ok(Self {
            target,
            connection: Connection::open(&target.address)?,
            basic: Base64::encode_string(pair.as_bytes()),
            number,
            count: 0,
        })
    }

    /// A verifier that no other flow has (RFC 7636 §4.1); nothing here is secret.
    fn verifier(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.target.seed.to_be_bytes());
        hash.update(self.number.to_be_bytes());
        hash.update(self.count.to_be_bytes());
        Base64UrlUnpadded::encode_string(&hash.finalize())
    }

    fn push(&mut self, verifier: &str) -> Result<String, String> {
        let challenge = Base64UrlUnpadded::encode_string(&Sha256::digest(verifier.as_bytes()));
        let (target, state) = (self.target, format!("{}-{}", self.number, self.count));
        let body = Serializer::new(String::new())
            .append_pair("response_type", "code")
            .append_pair("client_id", &target.client_id)
            .append_pair("redirect_uri", &target.redirect_uri)
            .append_pair("scope", &target.scope)
            .append_pair("state", &state)
            .append_pair("nonce", verifier)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256")
            .finish();
        let answer = self.post(&target.par, &body)?;
        member(&answer.json("par", 201)?, "request_uri")
    }

    fn authorize(&mut self, request_uri: &str) -> Result<String, String> {
        let target = self.target;
        let query = Serializer::new(String::new())
            .append_pair("client_id", &target.client_id)
            .append_pair("request_uri", request_uri)
            .finish();
        let request = format!(
            "GET {}?{query} HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nAccept: text/html\r\n\r\n",
            target.authorize, target.host, target.cookie,
        );
        let answer = self.connection.exchange(request.as_bytes())?;
        let location = answer.location.as_deref().unwrap_or_default();
        code_in(location).ok_or_else(|| {
            format!(
                "authorize answered {} to {location:?} without a code",
                answer.status
            )
        })
    }

    fn redeem(&mut self, code: &str, verifier: &str) -> Result<String, String> {
        let target = self.target;
        let body = Serializer::new(String::new())
            .append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", &target.redirect_uri)
            .append_pair("code_verifier", verifier)
            .finish();
        let answer = self.post(&target.token, &body)?.json("token", 200)?;
        // A flow without an ID token would be less work than the one that is compared.
        member(&answer, "id_token")?;
        member(&answer, "access_token")
    }

    fn claims(&mut self, token: &str) -> Result<(), String> {
        let target = self.target;
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nAccept: application/json\r\n\r\n",
            target.userinfo, target.host,
        );
        let answer = self.connection.exchange(request.as_bytes())?;
        member(&answer.json("userinfo", 200)?, "sub").map(drop)
    }

    fn post(&mut self, path: &str, body: &str) -> Result<Answer, String> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Basic {}\r\nAccept: application/json\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            self.target.host,
            self.basic,
            body.len(),
        );
        self.connection.exchange(request.as_bytes())
    }
}

fn code_in(location: &str) -> Option<String> {
    let (_, query) = location.split_once('?')?;
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "code")
        .map(|(_, code)| code.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_found_in_the_redirect() {
        assert_eq!(
            code_in("http://x/cb?state=1&code=a%2Bb&iss=y").as_deref(),
            Some("a+b")
        );
        assert_eq!(code_in("/sign-in?return_to=code"), None);
        assert_eq!(code_in("/sign-in"), None);
    }
}
