//! Learning where every object of a token is, in steps beside its work.

use std::cell::RefCell;
use std::sync::Arc;

use super::index::Walk;
use super::live::Live;
use super::token::Token;
use crate::KeyStoreError;

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
        let reads_keys = !self.derives_ids();
        let walk = self.call(|now, session| match now.is(&live) {
            true => {
                now.retired.learn(&self.namer(now, session))?;
                live.objects.walk(session, reads_keys)
            }
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

    /// Learns where every object is at once.
    pub(super) fn survey_now(&self) -> Result<(), KeyStoreError> {
        let mut survey = self.survey()?;
        while let Some(going_on) = survey {
            survey = self.survey_further(going_on)?;
        }
        Ok(())
    }
}
