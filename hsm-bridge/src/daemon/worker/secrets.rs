//! What orders do with symmetric keys: those of services, and the generations that wrap sealed keys.
//!
//! A key of services is retired before it is destroyed, and whoever orders its end names the loss: nobody here knows what lies wrapped
//! under it elsewhere. What lies under a generation is here and is counted, so there nothing can be lost by order.

use std::time::Instant;

use super::orders::bad;
use super::service::Service;
use crate::admin::{Operation, Order};
use crate::sealed::{Lying, generation_of, label_of};
use crate::{KeyLabel, KeyStoreError, SecretPurpose};

impl Service {
    /// Refuses the end of a generation under which sealed keys lie. It reads every file of theirs, until the deadline of the order at
    /// most; no call into the token is under way meanwhile.
    pub(super) fn check_unneeded(
        &self,
        order: &Order,
        until: Instant,
    ) -> Result<(), KeyStoreError> {
        let Operation::DestroySecret { label, .. } = &order.operation else {
            return Ok(());
        };
        let Some(generation) = generation_of(label) else {
            return Ok(());
        };
        let token = &order.token;
        match self.sealed.lying_under(generation, until) {
            Ok(Lying { keys: 0, unread: 0 }) => Ok(()),
            Ok(Lying { keys: 0, unread }) => Err(bad(format_args!(
                "files of sealed keys that do not say what wraps them, and may lie under {label}: {unread}; bring them back from a copy, or order their keys destroyed (hsm-bridge check names them); nothing was done"
            ))),
            Ok(Lying { keys, .. }) => Err(bad(format_args!(
                "sealed keys that still lie under {label} and would be lost: {keys}; stop the bridge, run `hsm-bridge rewrap --token {token}`, start it and order this again; nothing was done"
            ))),
            Err(KeyStoreError::Deadline) => Err(bad(
                "what lies under this key could not be counted in the time of the order: hand a new one in with a higher --limit-s; nothing was done",
            )),
            Err(error) => Err(error),
        }
    }

    /// A slip of a label names no key of another purpose.
    pub(super) fn check_secret(
        &self,
        label: &KeyLabel,
        purpose: SecretPurpose,
    ) -> Result<(), KeyStoreError> {
        let does = |purpose| match purpose {
            SecretPurpose::KeyEncryption => "wraps",
            SecretPurpose::Mac => "authenticates",
        };
        match self.token.secret_purpose(label)? {
            Some(found) if found == purpose => Ok(()),
            Some(found) => Err(bad(format_args!(
                "{label} is a key that {}, not one that {}; nothing was done",
                does(found),
                does(purpose)
            ))),
            None => Err(KeyStoreError::UnknownKey(label.to_string())),
        }
    }

    /// Ends a key that [`Service::check_unneeded`] let pass.
    pub(super) fn destroy_secret_by_order(
        &self,
        order: &Order,
        label: &KeyLabel,
        purpose: SecretPurpose,
    ) -> Result<(), KeyStoreError> {
        self.check_secret(label, purpose)?;
        if let Some(generation) = generation_of(label) {
            if self
                .sealed
                .newest()?
                .is_some_and(|newest| generation >= newest)
            {
                let next = label_of(generation.saturating_add(1))?;
                return Err(bad(format_args!(
                    "{label} wraps what is sealed from now on: stop the bridge and run `hsm-bridge rewrap --token {}`, which makes {next}; nothing was done",
                    order.token
                )));
            }
        } else if self.token.keeps_records() && !self.token.is_retired(label)? {
            return Err(bad(format_args!(
                "{label} is in use: have it retired (`admin draft retire-secret`), see that nothing is missed, and order its end then; nothing was done"
            )));
        }
        self.token.destroy_secret(label, purpose)
    }
}
