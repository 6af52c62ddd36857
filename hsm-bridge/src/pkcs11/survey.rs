//! Learning where every object of a token is, in steps beside its work.

use std::cell::RefCell;
use std::sync::Arc;

use super::index::Walk;
use super::keys;
use super::live::Live;
use super::token::{Fault, Token};
use crate::{KeyAlgorithm, KeyId, KeyLabel, KeyStoreError};

/// A look at every object of the token, under way.
pub(crate) struct Survey {
    live: Arc<Live>,
    walk: Walk,
}

impl Token {
    /// Begins to learn where every object is, so that no key has to be searched for; nothing when that is known.
    pub(crate) fn survey(&self) -> Result<Option<Survey>, KeyStoreError> {
        let live = self.live()?;
        if live.objects.are_known() {
            return Ok(None);
        }
        let reads_keys = !self.template().derives_ids();
        let walk = self.call(|now, session| match now.is(&live) {
            true => live.objects.walk(session, reads_keys),
            // Opened anew since: the next survey is of that one.
            false => Ok(None),
        })?;
        Ok(walk.map(|walk| Survey { live, walk }))
    }

    /// Looks at some more objects; gives the survey back as long as there are others.
    pub(crate) fn survey_further(
        &self,
        mut survey: Survey,
    ) -> Result<Option<Survey>, KeyStoreError> {
        let (live, walk) = (&survey.live, RefCell::new(&mut survey.walk));
        let done = self.call(|now, session| match now.is(live) {
            true => walk.borrow_mut().step(session),
            false => Ok(true),
        })?;
        if !done {
            return Ok(Some(survey));
        }
        survey.live.objects.learn(survey.walk);
        Ok(None)
    }

    /// Makes a key pair for each label, after one look at the token instead of a search for every label.
    ///
    /// The labels must be free and differ. What was made before an error stays. Nobody else may make keys in the token meanwhile.
    pub fn generate_many(
        &self,
        labels: &[KeyLabel],
        algorithm: KeyAlgorithm,
    ) -> Result<Vec<KeyId>, KeyStoreError> {
        let _one_at_a_time = self.making();
        self.template().allows(algorithm)?;
        self.survey_now()?;
        let made = labels.iter().map(|label| {
            self.call(|live, session| {
                let witness = self.witness(live, session);
                if !live.objects.are_known() {
                    // Thrown away since: the token is not as it was seen.
                    keys::check_free(&witness.namer, label)?;
                } else if witness.namer.is_taken(label) {
                    return Err(Fault::Refused(KeyStoreError::KeyExists(label.to_string())));
                }
                keys::generate_free(&witness, label, algorithm)
            })
        });
        made.collect()
    }

    /// Learns where every object is at once.
    pub(super) fn survey_now(&self) -> Result<(), KeyStoreError> {
        let mut survey = self.survey()?;
        while let Some(going_on) = survey {
            survey = self.survey_further(going_on)?;
        }
        Ok(())
    }
}
