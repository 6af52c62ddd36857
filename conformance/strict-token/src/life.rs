//! What this process holds of the token between `C_Initialize` and `C_Finalize`: sessions, and what it may see.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::knobs::NewObjects;
use crate::page::Page;
use crate::real::Real;

/// One stretch between `C_Initialize` and `C_Finalize`.
#[derive(Debug, Default)]
pub(crate) struct Life {
    /// Whether the wrapped module is initialised.
    pub(crate) initialized: bool,
    /// How often it was; chooses the slot ids.
    pub(crate) births: u64,
    dead: bool,
    calls: u64,
    sessions: HashMap<u64, Session>,
    obeyed: Obeyed,
    /// Objects seen at the first login, when later ones are to stay unseen.
    known: Option<HashSet<Name>>,
    own: HashSet<Name>,
}

/// Class and label of an object. A handle would not do: tokens give private objects new handles at each login.
pub(crate) type Name = (u64, Vec<u8>);

#[derive(Debug)]
struct Session {
    slot: u64,
    busy: u32,
    dead: bool,
}

/// The commands of the control page carried out so far, as its counters stood.
#[derive(Debug, Default)]
struct Obeyed {
    deaths: u64,
    session_deaths: u64,
    logouts: u64,
    removals: u64,
}

fn read(word: &AtomicU64) -> u64 {
    word.load(Ordering::Acquire)
}

impl Life {
    /// Begins anew: commands given before do not concern this life.
    pub(crate) fn begin(&mut self, page: &Page) {
        *self = Self {
            initialized: true,
            births: self.births + 1,
            obeyed: Obeyed {
                deaths: read(&page.deaths),
                session_deaths: read(&page.session_deaths),
                logouts: read(&page.logouts),
                removals: read(&page.removals),
            },
            ..Self::default()
        };
        if let Some(process) = page.process() {
            process.sessions.store(0, Ordering::Release);
            // A process before us may have had our id, and may have been killed while it hung.
            process.hanging.store(0, Ordering::Release);
        }
    }

    /// Ends; the wrapped module closed every session.
    pub(crate) fn end(&mut self, page: &Page) {
        *self = Self {
            births: self.births,
            ..Self::default()
        };
        if let Some(process) = page.process() {
            process.sessions.store(0, Ordering::Release);
        }
    }

    /// Whether the link to the token is dead for this life.
    pub(crate) fn is_cut_off(&self, page: &Page) -> bool {
        self.dead || read(&page.down) != 0 || read(&page.deaths) != self.obeyed.deaths
    }

    /// Counts a call on a session; the link dies after `limit` of them.
    pub(crate) fn wear(&mut self, limit: Option<u64>) {
        self.calls += 1;
        self.dead |= limit.is_some_and(|limit| self.calls > limit);
    }

    /// Carries out what was ordered through the control page since the last call.
    pub(crate) fn obey(&mut self, page: &Page, real: &Real) {
        let removals = read(&page.removals);
        if std::mem::replace(&mut self.obeyed.removals, removals) != removals {
            self.bury(page, real, |_| true);
        }
        let deaths = read(&page.session_deaths);
        if std::mem::replace(&mut self.obeyed.session_deaths, deaths) != deaths {
            self.bury(page, real, |session| session.busy == 0);
        }
        let logouts = read(&page.logouts);
        if std::mem::replace(&mut self.obeyed.logouts, logouts) != logouts {
            let one_of_each_slot: HashMap<u64, u64> = self
                .sessions
                .iter()
                .filter(|(_, session)| !session.dead)
                .map(|(handle, session)| (session.slot, *handle))
                .collect();
            for handle in one_of_each_slot.into_values() {
                real.log_out(handle);
            }
        }
    }

    /// Declares sessions dead. Those in use are closed by [`Life::leave`], since closing them now could pull memory from under a call.
    fn bury(&mut self, page: &Page, real: &Real, dies: impl Fn(&Session) -> bool) {
        let mut buried = 0;
        for (handle, session) in &mut self.sessions {
            if !session.dead && dies(session) {
                session.dead = true;
                buried += 1;
                if session.busy == 0 {
                    real.close(*handle);
                }
            }
        }
        count_closed(page, buried);
    }

    /// Begins a call on a session; `false` when the session is dead.
    pub(crate) fn enter(&mut self, handle: u64, closes: bool) -> bool {
        match self.sessions.get_mut(&handle) {
            Some(session) if session.dead => {
                if closes && session.busy == 0 {
                    self.sessions.remove(&handle);
                }
                false
            }
            Some(session) => {
                session.busy += 1;
                true
            }
            // Not one of ours: the wrapped module will say so.
            None => true,
        }
    }

    /// Ends a call on a session.
    pub(crate) fn leave(&mut self, handle: u64, real: &Real) {
        if let Some(session) = self.sessions.get_mut(&handle) {
            session.busy = session.busy.saturating_sub(1);
            if session.dead && session.busy == 0 {
                real.close(handle);
            }
        }
    }

    pub(crate) fn opened(&mut self, handle: u64, slot: u64) {
        let session = Session {
            slot,
            busy: 0,
            dead: false,
        };
        self.sessions.insert(handle, session);
    }

    pub(crate) fn closed(&mut self, page: &Page, handle: u64) {
        if self.sessions.remove(&handle).is_some_and(|one| !one.dead) {
            count_closed(page, 1);
        }
    }

    pub(crate) fn closed_all(&mut self, page: &Page, slot: u64) {
        let before = self.sessions.values().filter(|one| !one.dead).count();
        self.sessions.retain(|_, session| session.slot != slot);
        let after = self.sessions.values().filter(|one| !one.dead).count();
        count_closed(page, (before - after) as u64);
    }

    /// Remembers what a session sees, once in a life.
    pub(crate) fn look_around(&mut self, real: &Real, session: u64) {
        if self.known.is_none() {
            self.known = real.objects(session).map(|objects| {
                let named = objects.into_iter().map(|one| real.name(session, one));
                named.collect()
            });
        }
    }

    /// Remembers an object that this process made.
    pub(crate) fn made(&mut self, object: Name) {
        self.own.insert(object);
    }

    /// Whether a search shows an object.
    pub(crate) fn sees(&self, real: &Real, rule: NewObjects, session: u64, object: u64) -> bool {
        let Some(known) = &self.known else {
            return true;
        };
        if rule == NewObjects::Visible || !real.is_token_object(session, object) {
            return true;
        }
        let name = real.name(session, object);
        known.contains(&name) || (rule == NewObjects::OwnVisible && self.own.contains(&name))
    }
}

fn count_closed(page: &Page, sessions: u64) {
    if let Some(process) = page.process() {
        process.sessions.fetch_sub(sessions, Ordering::AcqRel);
    }
}
