//! What callers ask of a token, each kind of request once.

use std::time::{Duration, Instant};

use hsm_bridge::client::Client;
use hsm_bridge::verify::OpenSslVerifier;
use hsm_bridge::wire::MAX_FRAME;
use hsm_bridge::{
    DataKey, KeyAlgorithm, KeyStore, KeyStoreError, SecretPurpose, SecretStore, SignatureVerifier,
};

use crate::scene::{AUTHENTICATES, SIGNS, SIGNS_PLAIN, WRAPS, label};

const MESSAGE: &[u8] = b"what is signed while the token fails";

/// A request that reaches the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    Sign,
    SignPlain,
    /// Several messages whose requests are sent ahead of the replies.
    SignAhead,
    /// A message that does not fit into a frame.
    SignDigest,
    Hmac,
    Wrap,
    Unwrap,
    Generate,
    GenerateSecret,
    Destroy,
}

/// What a request needs that must be had before the token fails.
pub struct Ready {
    work: Work,
    wrapped: Vec<u8>,
    name: String,
}

impl Work {
    /// Each that reaches functions of its own.
    pub const ALL: [Self; 8] = [
        Self::Sign,
        Self::SignPlain,
        Self::Hmac,
        Self::Wrap,
        Self::Unwrap,
        Self::Generate,
        Self::GenerateSecret,
        Self::Destroy,
    ];

    /// A request that needs nothing beforehand.
    pub fn unprepared(self) -> Ready {
        Ready {
            work: self,
            wrapped: Vec::new(),
            name: String::new(),
        }
    }

    /// Prepares the request with a token that is sound; `number` names what it makes or destroys.
    pub fn prepare(self, client: &Client, number: u32) -> Result<Ready, KeyStoreError> {
        let name = format!("fault/made/{number}");
        let wrapped = match self {
            Self::Unwrap => client.wrap(&label(WRAPS), b"aad", &DataKey::from_bytes([7; 32]))?,
            _ => Vec::new(),
        };
        if self == Self::Destroy {
            client.generate(&label(&name), KeyAlgorithm::P256)?;
        }
        Ok(Ready {
            work: self,
            wrapped,
            name,
        })
    }
}

/// Remembers how long the slowest call took.
#[derive(Default)]
pub struct Stopwatch(pub Duration);

impl Stopwatch {
    pub fn time<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let answer = call();
        self.0 = self.0.max(began.elapsed());
        answer
    }
}

impl Ready {
    /// The same request for another try: what the try before left half done keeps its label.
    pub fn again(mut self) -> Self {
        if matches!(self.work, Work::Generate | Work::GenerateSecret) {
            self.name.push_str("/again");
        }
        self
    }

    /// Asks; whatever comes back as done was checked by us, not by the bridge's word.
    pub fn ask(&self, client: &Client, watch: &mut Stopwatch) -> Result<(), KeyStoreError> {
        match self.work {
            Work::Sign | Work::SignPlain => {
                let key = label(match self.work {
                    Work::Sign => SIGNS,
                    _ => SIGNS_PLAIN,
                });
                let id = watch
                    .time(|| client.find(&key))?
                    .ok_or_else(|| KeyStoreError::UnknownKey(key.to_string()))?;
                let signer = watch.time(|| client.signer(id, None))?;
                let signature = watch.time(|| signer.sign(MESSAGE))?;
                OpenSslVerifier
                    .verify(signer.public_key(), signer.scheme(), MESSAGE, &signature)
                    .expect("a signature that does not verify was released");
                Ok(())
            }
            Work::SignAhead | Work::SignDigest => {
                let long = vec![7; MAX_FRAME + 1];
                let messages: &[&[u8]] = match self.work {
                    Work::SignDigest => &[&long],
                    _ => &[MESSAGE, b"a second", b"a third"],
                };
                let key = label(SIGNS_PLAIN);
                let id = watch
                    .time(|| client.find(&key))?
                    .ok_or_else(|| KeyStoreError::UnknownKey(key.to_string()))?;
                let signer = watch.time(|| client.signer(id, None))?;
                let answers = watch.time(|| signer.sign_batch(messages));
                for (message, signature) in messages.iter().zip(&answers) {
                    if let Ok(signature) = signature {
                        OpenSslVerifier
                            .verify(signer.public_key(), signer.scheme(), message, signature)
                            .expect("a signature that does not verify was released");
                    }
                }
                answers.into_iter().try_for_each(|each| each.map(drop))
            }
            Work::Hmac => watch
                .time(|| client.hmac(&label(AUTHENTICATES), MESSAGE))
                .map(|_| ()),
            Work::Wrap => {
                let key = DataKey::from_bytes([8; 32]);
                watch
                    .time(|| client.wrap(&label(WRAPS), b"aad", &key))
                    .map(|_| ())
            }
            Work::Unwrap => {
                let key = watch.time(|| client.unwrap(&label(WRAPS), b"aad", &self.wrapped))?;
                assert_eq!(key.as_bytes(), &[7; 32], "another data key was given out");
                Ok(())
            }
            Work::Generate => watch
                .time(|| client.generate(&label(&self.name), KeyAlgorithm::P256))
                .map(|_| ()),
            Work::GenerateSecret => {
                watch.time(|| client.generate_secret(&label(&self.name), SecretPurpose::Mac))
            }
            Work::Destroy => match watch.time(|| client.find(&label(&self.name)))? {
                Some(id) => {
                    watch.time(|| client.describe(id))?;
                    watch.time(|| client.destroy(id))
                }
                None => Ok(()),
            },
        }
    }
}
