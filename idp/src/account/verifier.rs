//! Judging a password together with a code.
//!
//! Whatever is wrong, and also when there is no such account, the same work is done and the same answer given.

use domain::account::{AccountState, Identifier, SignInMethod, code, contact, totp};
use store::idp::{Account, AuthenticatorApp};
use store::{StoreError, Writer};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{AccountError, in_token, lookup, passwords};
use crate::app::App;

/// Where the shared secret of an authenticator app is sealed.
pub(super) const APP_TABLE: &str = "authenticator_apps";
/// Its column.
pub(super) const APP_COLUMN: &str = "secret_sealed";

/// A proven second factor that still has to be spent, in the write that starts the session.
#[derive(Clone, Copy, Debug)]
enum Factor {
    App { step: i64 },
    Recovery { hash: [u8; 32] },
}

/// A proven password and code.
#[derive(Debug)]
pub(super) struct Proven {
    /// The account.
    pub(super) account: Account,
    factor: Factor,
}

impl Proven {
    /// How the holder signed in.
    pub(super) const fn method(&self) -> SignInMethod {
        match self.factor {
            Factor::App { .. } => SignInMethod::PasswordAndApp,
            Factor::Recovery { .. } => SignInMethod::PasswordAndRecoveryCode,
        }
    }

    /// Spends the code; a conflict when it was spent since it was judged.
    pub(super) fn spend(&self, w: &mut Writer<'_>, now: i64) -> Result<(), StoreError> {
        match &self.factor {
            Factor::App { step } => w.spend_time_step(self.account.id, *step, now),
            Factor::Recovery { hash } => w.spend_recovery_code(self.account.id, hash, now),
        }
    }
}

/// What is known of the account that is tried; nothing of it for an unknown one.
#[derive(Default)]
struct Known {
    account: Option<Account>,
    password: Option<String>,
    app: Option<AuthenticatorApp>,
}

/// Judges password and code for the account behind an address or number.
pub(super) async fn judge(
    app: &App,
    identifier: &Identifier,
    index: [u8; 32],
    password: Zeroizing<String>,
    typed: &str,
) -> Result<Option<Proven>, AccountError> {
    let kind = identifier.kind();
    let known = app
        .store
        .read(move |r| {
            let account = r.find_account_by_identifier(kind, &index)?;
            let Some(account) = account.filter(|account| account.state == AccountState::Active)
            else {
                return Ok(Known::default());
            };
            Ok(Known {
                password: r.find_password(account.id)?.map(|(hash, _)| hash),
                app: r.find_authenticator_app(account.id)?,
                account: Some(account),
            })
        })
        .await?;
    let password_fits = passwords::verify(app, password, known.password).await?;
    let factor = match code::normalise(typed) {
        Some(normal) => recovery_factor(app, known.account.as_ref(), &normal).await?,
        None => app_factor(app, known.account.as_ref(), known.app, typed).await?,
    };
    Ok(match (known.account, factor) {
        (Some(account), Some(factor)) if password_fits => Some(Proven { account, factor }),
        _ => None,
    })
}

async fn recovery_factor(
    app: &App,
    account: Option<&Account>,
    normal: &str,
) -> Result<Option<Factor>, AccountError> {
    let id = account.map_or(Uuid::nil(), |account| account.id);
    let hash = lookup::recovery_hash(app, id, normal).await?;
    let has = app
        .store
        .read(move |r| r.has_recovery_code(id, &hash))
        .await?;
    Ok(has.then_some(Factor::Recovery { hash }))
}

async fn app_factor(
    app: &App,
    account: Option<&Account>,
    row: Option<AuthenticatorApp>,
    typed: &str,
) -> Result<Option<Factor>, AccountError> {
    let sealer = app.sealer.clone();
    let random = app.sources.random::<32>();
    let holder = account
        .map(|account| (account.id, account.wrapped_key.clone()))
        .zip(row.as_ref());
    let secret = match holder {
        Some(((id, wrapped_key), row)) => {
            let stored = row.secret_sealed.clone();
            in_token(app, move || {
                let key = sealer.open_subject_key(id, &wrapped_key)?;
                super::vault::open(&key, APP_TABLE, APP_COLUMN, &id.to_string(), &stored)
            })
            .await?
        }
        // As much work in the token, for an account that is not there.
        None => {
            in_token(app, move || {
                sealer.new_subject_key(Uuid::nil(), random)?;
                Ok(Zeroizing::new(random.to_vec()))
            })
            .await?
        }
    };
    let matched = check_code(&secret, typed, app.sources.now().as_second());
    let Some(row) = row else { return Ok(None) };
    let last = row.last_step.and_then(|step| u64::try_from(step).ok());
    let step = totp::accept(matched, last)
        .ok()
        .and_then(|step| i64::try_from(step).ok());
    Ok(step.map(|step| Factor::App { step }))
}

/// The time step whose code was typed, if any (RFC 6238 §5.2); Khmer digits and spaces are understood.
pub(super) fn check_code(secret: &[u8], typed: &str, now: i64) -> Option<u64> {
    let digits = contact::normalise(typed)?;
    let now = u64::try_from(now).ok()?;
    let generator = totp_rs::Builder::new()
        .with_secret(secret.to_vec())
        .with_skew(totp::SKEW_STEPS)
        .with_step_duration(totp::STEP_SECONDS)
        .build()
        .ok()?;
    generator.check(&digits, now)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 6238 appendix B: the secret of the SHA-1 vectors.
    const SECRET: &[u8] = b"12345678901234567890";

    #[test]
    fn codes_of_the_rfc_are_found_at_their_time() {
        for (now, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (2_000_000_000, "279037"),
        ] {
            assert_eq!(
                check_code(SECRET, code, now),
                Some(now.unsigned_abs() / 30),
                "{now}"
            );
        }
        assert_eq!(check_code(SECRET, "២៨៧ ០៨២", 59), Some(1));
        assert_eq!(check_code(SECRET, "287083", 59), None);
    }

    proptest! {
        #[test]
        fn a_code_counts_one_step_early_and_late_and_no_more(base in 3_i64..60_000_000, offset in -150_i64..150) {
            let made = totp_rs::Builder::new().with_secret(SECRET.to_vec()).build().unwrap();
            let at = base * 30;
            let code = made.generate(at.unsigned_abs()).to_string();
            let found = check_code(SECRET, &code, at + offset) == Some(base.unsigned_abs());
            let steps = (at + offset).div_euclid(30) - base;
            // Another step of the window may by chance have the same code, which is then found first.
            if steps.abs() > 1 {
                prop_assert!(!found);
            } else if steps <= 0 {
                prop_assert!(found || check_code(SECRET, &code, at + offset).is_some());
            }
        }
    }
}
