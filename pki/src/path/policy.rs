//! The policy graph of RFC 9618, which replaces the exponential tree of RFC 5280 §6.1.2.
//!
//! Each level maps a policy to the policies expected below it and to its parents one level up.
//! Nodes without children are not pruned: only what the last level reaches counts.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::{Budget, PathError};
use crate::oid::{Oid, PolicyMapping};

#[derive(Debug, Default)]
struct Node {
    expected: BTreeSet<Oid>,
    parents: BTreeSet<Oid>,
}

type Level = BTreeMap<Oid, Node>;

/// The valid policies of the certificates processed so far.
#[derive(Debug)]
pub(super) struct PolicyGraph {
    levels: Vec<Level>,
    any: Oid,
}

impl PolicyGraph {
    /// One node, anyPolicy (RFC 9618 §5.2).
    pub(super) fn new() -> Self {
        let any = Oid::any_policy();
        let node = Node {
            expected: BTreeSet::from([any.clone()]),
            parents: BTreeSet::new(),
        };
        Self {
            levels: vec![BTreeMap::from([(any.clone(), node)])],
            any,
        }
    }

    /// Whether no policy is left ("NULL" in the RFC).
    pub(super) fn is_null(&self) -> bool {
        self.levels.last().is_none_or(BTreeMap::is_empty)
    }

    /// A certificate without policies ends all policies (§5.3 (e)).
    pub(super) fn clear(&mut self) {
        self.levels.push(Level::new());
    }

    /// Adds the level of a certificate's policies (§5.3 (d)).
    pub(super) fn add(
        &mut self,
        policies: &BTreeSet<Oid>,
        any_counts: bool,
        budget: &mut Budget,
    ) -> Result<(), PathError> {
        let Some(above) = self.levels.last() else {
            return Ok(());
        };
        let mut level = Level::new();
        for policy in policies.iter().filter(|policy| **policy != self.any) {
            let mut parents = expecting(above, policy);
            if parents.is_empty() && above.contains_key(&self.any) {
                parents.insert(self.any.clone());
            }
            if !parents.is_empty() {
                budget.spend_policy_node()?;
                let expected = BTreeSet::from([policy.clone()]);
                level.insert(policy.clone(), Node { expected, parents });
            }
        }
        if any_counts && policies.contains(&self.any) {
            let expected: BTreeSet<Oid> = above
                .values()
                .flat_map(|node| node.expected.iter().cloned())
                .collect();
            for policy in expected {
                if let Entry::Vacant(place) = level.entry(policy.clone()) {
                    budget.spend_policy_node()?;
                    let parents = expecting(above, &policy);
                    let expected = BTreeSet::from([policy]);
                    place.insert(Node { expected, parents });
                }
            }
        }
        self.levels.push(level);
        Ok(())
    }

    /// Applies the mappings of the certificate whose level was added last (§5.4 (b)).
    pub(super) fn map(
        &mut self,
        mappings: &[PolicyMapping],
        allowed: bool,
        budget: &mut Budget,
    ) -> Result<(), PathError> {
        let mut targets: BTreeMap<&Oid, BTreeSet<Oid>> = BTreeMap::new();
        for mapping in mappings {
            let subjects = targets.entry(&mapping.issuer_domain_policy).or_default();
            subjects.insert(mapping.subject_domain_policy.clone());
        }
        let Some(level) = self.levels.last_mut() else {
            return Ok(());
        };
        for (policy, subjects) in targets {
            if !allowed {
                level.remove(policy);
            } else if let Some(node) = level.get_mut(policy) {
                node.expected = subjects;
            } else if level.contains_key(&self.any) {
                budget.spend_policy_node()?;
                let parents = BTreeSet::from([self.any.clone()]);
                level.insert(
                    policy.clone(),
                    Node {
                        expected: subjects,
                        parents,
                    },
                );
            }
        }
        Ok(())
    }

    /// The policies of the whole path that `accepted` (empty: any) allows (§5.5 (g)).
    pub(super) fn user_constrained(&self, accepted: &BTreeSet<Oid>) -> BTreeSet<Oid> {
        let authorities = self.authorities_constrained();
        let accepts_any = accepted.is_empty() || accepted.contains(&self.any);
        if accepts_any {
            authorities
        } else if authorities.contains(&self.any) {
            accepted.clone()
        } else {
            authorities.intersection(accepted).cloned().collect()
        }
    }

    /// Policies in the anchor's own words: nodes right below an anyPolicy node, and anyPolicy
    /// itself if it reaches the end.
    fn authorities_constrained(&self) -> BTreeSet<Oid> {
        let mut found = BTreeSet::new();
        let Some((last, above)) = self.levels.split_last() else {
            return found;
        };
        let mut reached: BTreeSet<Oid> = last.keys().cloned().collect();
        if reached.contains(&self.any) {
            found.insert(self.any.clone());
        }
        let mut level = last;
        for next in above.iter().rev() {
            let mut parents = BTreeSet::new();
            for (policy, node) in level.iter().filter(|(policy, _)| reached.contains(*policy)) {
                if *policy != self.any && node.parents.contains(&self.any) {
                    found.insert(policy.clone());
                }
                parents.extend(node.parents.iter().cloned());
            }
            (level, reached) = (next, parents);
        }
        found
    }
}

/// The nodes of `level` that expect `policy` below them.
fn expecting(level: &Level, policy: &Oid) -> BTreeSet<Oid> {
    level
        .iter()
        .filter(|(_, node)| node.expected.contains(policy))
        .map(|(parent, _)| parent.clone())
        .collect()
}
