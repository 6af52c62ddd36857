//! One key pair of a token, as its users hold it.

use spki::SubjectPublicKeyInfoOwned;

use super::token::Token;
use crate::verify::Signed;
use crate::{KeyId, KeyStoreError, SignatureScheme, Signer};

pub(super) struct TokenSigner {
    pub(super) token: Token,
    pub(super) id: KeyId,
    pub(super) scheme: SignatureScheme,
    pub(super) public_key: SubjectPublicKeyInfoOwned,
    /// Whether each signature is verified before it is given out.
    pub(super) verify: bool,
}

impl Signer for TokenSigner {
    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }

    fn public_key(&self) -> &SubjectPublicKeyInfoOwned {
        &self.public_key
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyStoreError> {
        let signed = Signed::Message(message);
        self.token.sign(self.id, self.scheme, &signed, self.verify)
    }
}
