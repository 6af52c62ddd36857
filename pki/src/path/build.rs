//! Finding paths: depth first from the end entity, following names and verified signatures.

use hsm_bridge::SignatureVerifier;

use super::{Budget, Fault, Options, PathError, ValidPath, check, revocation};
use crate::certificate::Certificate;
use crate::name;

/// What stays the same during one validation.
pub(super) struct Material<'a, 'o> {
    pub(super) pool: &'a [Certificate],
    pub(super) anchors: &'a [Certificate],
    pub(super) options: &'o Options<'o>,
    pub(super) now: u64,
    pub(super) verifier: &'o dyn SignatureVerifier,
}

/// Searches a valid path for `leaf`; `nesting` counts lists whose signers are being validated.
pub(super) fn search<'a>(
    leaf: &'a Certificate,
    material: &Material<'a, '_>,
    budget: &mut Budget,
    nesting: u8,
) -> Result<ValidPath<'a>, PathError> {
    let mut path = vec![leaf];
    let mut search = Search {
        material,
        nesting,
        nearest: None,
    };
    match search.extend(&mut path, budget)? {
        Some(valid) => Ok(valid),
        None => Err(search.nearest.unwrap_or(PathError::NoPath)),
    }
}

struct Search<'m, 'a, 'o> {
    material: &'m Material<'a, 'o>,
    nesting: u8,
    /// The failure that tells most: of the path that came furthest.
    nearest: Option<PathError>,
}

impl<'a> Search<'_, 'a, '_> {
    /// Tries to complete `path`; only an exhausted budget ends the search early.
    fn extend(
        &mut self,
        path: &mut Vec<&'a Certificate>,
        budget: &mut Budget,
    ) -> Result<Option<ValidPath<'a>>, PathError> {
        let Some(last) = path.last().copied() else {
            return Ok(None);
        };
        for anchor in self.material.anchors {
            budget.spend_candidate()?;
            if name::matches(anchor.subject(), last.issuer())
                && self.is_signed(last, anchor, path.len() - 1, budget)?
                && let Some(valid) = self.complete(path, anchor, budget)?
            {
                return Ok(Some(valid));
            }
        }
        if path.len() >= budget.path_length {
            return Ok(None);
        }
        for candidate in self.material.pool {
            budget.spend_candidate()?;
            let fresh = !path.contains(&candidate);
            if fresh
                && name::matches(candidate.subject(), last.issuer())
                && self.is_signed(last, candidate, path.len() - 1, budget)?
            {
                path.push(candidate);
                let found = self.extend(path, budget)?;
                path.pop();
                if found.is_some() {
                    return Ok(found);
                }
            }
        }
        Ok(None)
    }

    fn is_signed(
        &mut self,
        certificate: &Certificate,
        issuer: &Certificate,
        depth: usize,
        budget: &mut Budget,
    ) -> Result<bool, PathError> {
        budget.spend_signature()?;
        let signed = certificate
            .verify(issuer.public_key(), self.material.verifier)
            .is_ok();
        if !signed {
            self.note(PathError::Certificate {
                depth,
                fault: Fault::Signature,
            });
        }
        Ok(signed)
    }

    fn complete(
        &mut self,
        path: &[&'a Certificate],
        anchor: &'a Certificate,
        budget: &mut Budget,
    ) -> Result<Option<ValidPath<'a>>, PathError> {
        let valid = check::check(
            path,
            anchor,
            self.material.options,
            self.material.now,
            budget,
        )
        .and_then(|policies| {
            revocation::check(path, anchor, self.material, budget, self.nesting)?;
            Ok(ValidPath {
                certificates: path.to_vec(),
                anchor,
                policies,
            })
        });
        match valid {
            Ok(valid) => Ok(Some(valid)),
            Err(PathError::Budget) => Err(PathError::Budget),
            Err(error) => {
                self.nearest = Some(error);
                Ok(None)
            }
        }
    }

    /// Keeps a failed signature only while nothing better is known.
    fn note(&mut self, error: PathError) {
        self.nearest.get_or_insert(error);
    }
}
