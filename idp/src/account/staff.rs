//! Members of staff: added by a command, not by themselves; always two factors.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use domain::account::{AccountState, Identifier, Role, code, role, totp};
use domain::audit::{Actor, AuditEvent, action};
use domain::locale::Locale;
use serde::Serialize;
use store::idp::{Account, AccountKind, AuthenticatorApp};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::verifier::{APP_COLUMN, APP_TABLE};
use super::{AccountError, activation, enrol, passwords, vault};
use crate::app::App;

/// Rights of the file with the secrets: its owner alone.
const SECRET_FILE_MODE: u32 = 0o600;
/// Longest name and office, in characters.
const TEXT_MAX: usize = 200;

/// A member of staff to add.
#[derive(Clone, Debug)]
pub struct NewStaff {
    /// The name shown to colleagues.
    pub name: String,
    /// The address they sign in with.
    pub identifier: Identifier,
    /// Their duties; see [`role::check_combination`].
    pub roles: Vec<Role>,
    /// The office they work in, as citizens know it.
    pub office: String,
    /// Their language.
    pub locale: Locale,
    /// Their person, when they proved their identity here.
    pub subject: Option<Uuid>,
}

/// What the file for the new member of staff says.
#[derive(Serialize)]
struct Handover<'a> {
    account: Uuid,
    name: &'a str,
    identifier: &'a str,
    roles: &'a [Role],
    office: &'a str,
    password: &'a str,
    totp_secret: &'a str,
    otpauth_uri: &'a str,
}

/// Adds a member of staff with a password and an authenticator secret, which are written to `file` (new, readable by
/// its owner alone) and nowhere else. Returns the account.
pub async fn add(app: &App, staff: NewStaff, file: &Path) -> Result<Uuid, AccountError> {
    check(&staff)?;
    let id = app.sources.uuid();
    let (key, wrapped_key) = vault::new_key(app, id).await?;
    let password = Zeroizing::new(code::format(app.sources.random()));
    let secret = Zeroizing::new(app.sources.random::<{ totp::SECRET_BYTES }>().to_vec());
    let hash = passwords::hash(app, password.clone()).await?;
    let row = id.to_string();
    let now = app.sources.unix();

    let name = staff.name.as_bytes();
    let account = Account {
        id,
        subject: staff.subject.unwrap_or(id),
        kind: AccountKind::Staff,
        state: AccountState::Active,
        locale: staff.locale,
        wrapped_key,
        display_name_sealed: Some(vault::seal(
            app,
            &key,
            "accounts",
            "display_name_sealed",
            &row,
            name,
        )?),
        office: Some(staff.office.clone()),
        created_at: now,
        activated_at: Some(now),
    };
    let authenticator = AuthenticatorApp {
        account_id: row.clone(),
        secret_sealed: vault::seal(app, &key, APP_TABLE, APP_COLUMN, &row, &secret)?,
        last_step: None,
        created_at: now,
        last_used_at: None,
    };
    let identifier = activation::identifier_row(app, &account, &key, &staff.identifier).await?;
    hand_over(id, &staff, &password, &secret, file)?;

    let roles = staff.roles.clone();
    let event = AuditEvent::new(
        app.sources.uuid(),
        app.sources.now(),
        Actor::system("idp"),
        action::IDP_STAFF_ADDED,
        format!("account:{id}"),
    )
    .with_detail(serde_json::json!({ "roles": staff.roles, "office": staff.office }));
    let added = app
        .store
        .write(event, move |w| {
            w.insert_account(&account)?;
            w.insert_account_identifier(&identifier)?;
            w.put_password(id, &hash, now)?;
            w.put_authenticator_app(&authenticator)?;
            roles
                .iter()
                .try_for_each(|role| w.grant_role(id, *role, now))
        })
        .await;
    if let Err(error) = added {
        // Secrets of an account that does not exist are of no use to anybody.
        std::fs::remove_file(file)?;
        return Err(error.into());
    }
    Ok(id)
}

fn check(staff: &NewStaff) -> Result<(), AccountError> {
    let sound = |text: &str| {
        let length = text.chars().count();
        (1..=TEXT_MAX).contains(&length) && !text.chars().any(char::is_control)
    };
    if !sound(&staff.name) || !sound(&staff.office) {
        return Err(AccountError::Invalid(
            "name and office must be given in one line",
        ));
    }
    if staff.roles.is_empty() {
        return Err(AccountError::Invalid("a member of staff needs a role"));
    }
    role::check_combination(&staff.roles)
        .map_err(|_| AccountError::Invalid("these roles exclude each other"))
}

fn hand_over(
    account: Uuid,
    staff: &NewStaff,
    password: &str,
    secret: &[u8],
    file: &Path,
) -> Result<(), AccountError> {
    let shown = enrol::shown_secret(secret);
    let compact = Zeroizing::new(shown.replace(' ', ""));
    let uri = enrol::otpauth_uri(staff.identifier.normalised(), secret);
    let document = Zeroizing::new(serde_json::to_vec_pretty(&Handover {
        account,
        name: &staff.name,
        identifier: staff.identifier.normalised(),
        roles: &staff.roles,
        office: &staff.office,
        password,
        totp_secret: &compact,
        otpauth_uri: &uri,
    })?);
    let mut out = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(SECRET_FILE_MODE)
        .open(file)?;
    out.write_all(&document)?;
    out.sync_all()?;
    Ok(())
}
