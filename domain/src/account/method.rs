//! Ways to sign in, and what each proves.

use serde::{Deserialize, Serialize};

/// A finished sign-in, by the way it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum SignInMethod {
    /// A passkey whose authenticator verified its user.
    Passkey {
        /// Whether the key may be copied to other devices by its maker's service (WebAuthn Level 3 §6.1.3).
        backup_eligible: bool,
    },
    /// Password and a code from an authenticator app.
    PasswordAndApp,
    /// Password and a printed recovery code in place of the app.
    PasswordAndRecoveryCode,
}

impl SignInMethod {
    /// The authentication method references (RFC 8176 §2): a key that can leave its device counts as software.
    pub const fn amr(self) -> &'static [&'static str] {
        match self {
            Self::Passkey {
                backup_eligible: false,
            } => &["hwk", "pop", "user", "mfa"],
            Self::Passkey {
                backup_eligible: true,
            } => &["swk", "pop", "user", "mfa"],
            Self::PasswordAndApp | Self::PasswordAndRecoveryCode => &["pwd", "otp", "mfa"],
        }
    }

    /// The authenticator assurance level (NIST SP 800-63B). Level 3 needs attested hardware, which none of these shows.
    pub const fn aal(self) -> u8 {
        match self {
            Self::Passkey { .. } | Self::PasswordAndApp | Self::PasswordAndRecoveryCode => 2,
        }
    }

    /// Whether a look-alike site cannot relay it.
    pub const fn is_phishing_resistant(self) -> bool {
        matches!(self, Self::Passkey { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bound_key_counts_as_hardware() {
        assert!(
            SignInMethod::Passkey {
                backup_eligible: false
            }
            .amr()
            .contains(&"hwk")
        );
        assert!(
            !SignInMethod::Passkey {
                backup_eligible: true
            }
            .amr()
            .contains(&"hwk")
        );
        assert!(!SignInMethod::PasswordAndApp.is_phishing_resistant());
    }
}
