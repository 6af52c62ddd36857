//! Limits of work: what an attacker's certificates may cost.

use super::PathError;

/// How much one validation may do. The defaults are far above what honest paths need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Signatures that may be verified, by far the dearest step.
    pub signatures: u32,
    /// Certificates that may be tried as issuer of another.
    pub candidates: u32,
    /// Names compared with name constraints.
    pub name_comparisons: u32,
    /// Nodes of the policy graph.
    pub policy_nodes: u32,
    /// Longest path, without the anchor.
    pub path_length: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            signatures: 200,
            candidates: 10_000,
            name_comparisons: 100_000,
            policy_nodes: 1_000,
            path_length: 16,
        }
    }
}

impl Budget {
    pub(super) fn spend_signature(&mut self) -> Result<(), PathError> {
        spend(&mut self.signatures)
    }

    pub(super) fn spend_candidate(&mut self) -> Result<(), PathError> {
        spend(&mut self.candidates)
    }

    pub(super) fn spend_name(&mut self) -> Result<(), PathError> {
        spend(&mut self.name_comparisons)
    }

    pub(super) fn spend_policy_node(&mut self) -> Result<(), PathError> {
        spend(&mut self.policy_nodes)
    }
}

fn spend(left: &mut u32) -> Result<(), PathError> {
    *left = left.checked_sub(1).ok_or(PathError::Budget)?;
    Ok(())
}
