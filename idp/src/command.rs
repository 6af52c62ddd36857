//! The provider's own verbs: registering clients, adding staff, checking the audit chain.
//!
//! They act on the database with the keys of the running service and write audit events like every other change.
//! A secret is written to a file that only its owner reads, never to the screen.

use std::path::PathBuf;

use clap::Subcommand;
use domain::account::{Identifier, Role};
use domain::locale::Locale;
use service::cli::Failure;

use crate::account::staff::{self, NewStaff};
use crate::app::App;
use crate::oidc::admin;

/// Verbs beside those of every service.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Relying parties and machines.
    Client {
        /// What to do.
        #[command(subcommand)]
        act: ClientCommand,
    },
    /// Members of staff.
    Staff {
        /// What to do.
        #[command(subcommand)]
        act: StaffCommand,
    },
    /// The audit log.
    Audit {
        /// What to do.
        #[command(subcommand)]
        act: AuditCommand,
    },
}

/// Acts on clients.
#[derive(Clone, Debug, Subcommand)]
pub enum ClientCommand {
    /// Registers the client that a file describes, with its access grant (law, article 29).
    Add {
        /// The registration, as TOML.
        #[arg(long)]
        file: PathBuf,
        /// New file for the client's secret, where it authenticates with one.
        #[arg(long)]
        secret_file: Option<PathBuf>,
    },
}

/// Acts on staff.
#[derive(Clone, Debug, Subcommand)]
pub enum StaffCommand {
    /// Adds a member of staff with a password and an authenticator secret.
    Add {
        /// Name shown to colleagues.
        #[arg(long)]
        name: String,
        /// E-mail address or telephone number to sign in with.
        #[arg(long)]
        identifier: String,
        /// A duty: operator, supervisor, official, auditor, client-admin; may be given again.
        #[arg(long = "role", required = true)]
        roles: Vec<Role>,
        /// Office, as citizens know it.
        #[arg(long)]
        office: String,
        /// Language of messages: km or en.
        #[arg(long, default_value = "km")]
        locale: Locale,
        /// New file for the password and the authenticator secret.
        #[arg(long)]
        secret_file: PathBuf,
    },
}

/// Acts on the audit log.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum AuditCommand {
    /// Follows the hash chain from its beginning and says where it breaks.
    Verify,
}

/// Carries out a verb.
pub async fn run(app: &App, command: Command) -> Result<(), Failure> {
    match command {
        Command::Client {
            act: ClientCommand::Add { file, secret_file },
        } => {
            let added = admin::add_client(app, &file, secret_file.as_deref()).await?;
            println!("client {} is registered", added.id);
            if let Some(grant) = added.grant_id {
                println!("its access grant is {grant}");
            }
        }
        Command::Staff {
            act:
                StaffCommand::Add {
                    name,
                    identifier,
                    roles,
                    office,
                    locale,
                    secret_file,
                },
        } => {
            let identifier = Identifier::parse(&identifier)?;
            let staff = NewStaff {
                name,
                identifier,
                roles,
                office,
                locale,
                subject: None,
            };
            let account = staff::add(app, staff, &secret_file).await?;
            println!(
                "account {account} is added; hand over {}",
                secret_file.display()
            );
        }
        Command::Audit {
            act: AuditCommand::Verify,
        } => {
            let head = app.store.verify_audit_chain(None).await?;
            println!("the audit log is whole: {} records", head.seq);
        }
    }
    Ok(())
}
