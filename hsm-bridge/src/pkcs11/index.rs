//! Where the objects of a token are: one walk over all of them instead of a search for each.
//!
//! Many tokens search by looking at every object they hold, so that finding each of ten thousand keys once costs a hundred million looks.
//! The index is made beside the work, in steps, and only helps: what it does not hold is searched for in the token, and a handle in it that
//! is no longer valid makes it be thrown away.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use cryptoki::error::{Error, RvError};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;

use super::data::Kind;
use super::token::Fault;
use super::{attributes, keys, public_object};
use crate::{KeyId, KeyLabel};

/// Objects whose attributes are read in one step: some milliseconds on a software token, a second on a slow device.
const STEP: usize = 256;

/// How an object is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Name {
    Id(Class, Vec<u8>),
    Label(Class, Vec<u8>),
    Record(Kind, Vec<u8>),
}

/// The classes of objects that are looked for by CKA_ID or label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Class {
    Private,
    Public,
    Secret,
}

impl Class {
    fn of(class: ObjectClass) -> Option<Self> {
        match class {
            ObjectClass::PRIVATE_KEY => Some(Self::Private),
            ObjectClass::PUBLIC_KEY => Some(Self::Public),
            ObjectClass::SECRET_KEY => Some(Self::Secret),
            _ => None,
        }
    }
}

/// An object that is looked for: by its name in the index, or else by a search template.
pub(super) struct Sought {
    name: Option<Name>,
    pub(super) template: Vec<Attribute>,
}

impl Sought {
    /// A token object of a class by CKA_ID.
    pub(super) fn by_id(class: ObjectClass, id: &[u8]) -> Self {
        Self {
            name: Class::of(class).map(|class| Name::Id(class, id.into())),
            template: attributes::by_id(class, id).into(),
        }
    }

    /// A token object of a class by label.
    pub(super) fn by_label(class: ObjectClass, label: &KeyLabel) -> Self {
        Self {
            name: Class::of(class).map(|class| Name::Label(class, label.as_str().into())),
            template: attributes::by_label(class, label).into(),
        }
    }

    /// The record of a kind under a label.
    pub(super) fn record(kind: Kind, label: &KeyLabel) -> Self {
        Self {
            name: Some(Name::Record(kind, label.as_str().into())),
            template: kind.of(label).into(),
        }
    }
}

/// What the index says of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// One object has it.
    One(ObjectHandle),
    /// More than one has it, so that it means none.
    Several,
}

/// The objects that one walk has seen.
#[derive(Debug, Default)]
struct Index {
    places: HashMap<Name, Place>,
    /// The CKA_ID of each key, where that is not derived from the key.
    ids: HashMap<KeyId, Vec<Vec<u8>>>,
}

impl Index {
    fn add(&mut self, name: Name, object: ObjectHandle) {
        self.places
            .entry(name)
            .and_modify(|place| {
                if *place != Place::One(object) {
                    *place = Place::Several;
                }
            })
            .or_insert(Place::One(object));
    }
}

/// What a walk reads of an object.
#[derive(Default)]
struct Seen {
    class: Option<Class>,
    kind: Option<Kind>,
    id: Vec<u8>,
    label: Vec<u8>,
}

impl Seen {
    /// Reads an object; nothing when it is gone or does not show itself.
    fn read(session: &Session, object: ObjectHandle) -> Result<Option<Self>, Fault> {
        let mut seen = Self::default();
        let wanted = [
            AttributeType::Class,
            AttributeType::Label,
            AttributeType::Id,
            AttributeType::Application,
        ];
        let found = match session.get_attributes(object, &wanted) {
            Ok(found) => found,
            Err(Error::Pkcs11(RvError::ObjectHandleInvalid | RvError::AttributeSensitive, _)) => {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        for attribute in found {
            match attribute {
                Attribute::Class(class) => seen.class = Class::of(class),
                Attribute::Label(label) => seen.label = label,
                Attribute::Id(id) => seen.id = id,
                Attribute::Application(name) => seen.kind = Kind::of_application(&name),
                _ => {}
            }
        }
        Ok(Some(seen))
    }

    /// The names by which the object is looked for.
    fn names(&self) -> Vec<Name> {
        let label = || self.label.clone();
        match (self.class, self.kind) {
            (Some(class), _) if self.id.is_empty() => vec![Name::Label(class, label())],
            (Some(class), _) => vec![
                Name::Id(class, self.id.clone()),
                Name::Label(class, label()),
            ],
            (None, Some(kind)) => vec![Name::Record(kind, label())],
            (None, None) => Vec::new(),
        }
    }
}

/// The index of an open token, once there is one.
#[derive(Debug, Default)]
pub(super) struct Objects {
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    index: Option<Index>,
    /// Counts how often the index was thrown away, so that a walk from before is not taken for a new one.
    forgotten: u64,
}

/// A walk under way.
pub(super) struct Walk {
    index: Index,
    objects: std::vec::IntoIter<ObjectHandle>,
    forgotten: u64,
    /// Whether public keys are read as well, since CKA_ID does not tell whose it is.
    reads_keys: bool,
}

impl Walk {
    /// Reads a few more objects; true when there are no more.
    pub(super) fn step(&mut self, session: &Session) -> Result<bool, Fault> {
        for object in self.objects.by_ref().take(STEP) {
            // What was destroyed since the walk began, or is not readable, will be searched for by whoever needs it.
            let Some(seen) = Seen::read(session, object)? else {
                continue;
            };
            if self.reads_keys && seen.class == Some(Class::Public) {
                match public_object::read(session, object) {
                    Ok(key) => {
                        if let Ok(id) = KeyId::of(&key) {
                            self.index.ids.entry(id).or_default().push(seen.id.clone());
                        }
                    }
                    // An object that is not one of ours.
                    Err(Fault::Refused(_)) => {}
                    Err(fault) => return Err(fault),
                }
            }
            for name in seen.names() {
                self.index.add(name, object);
            }
        }
        Ok(self.objects.len() == 0)
    }
}

impl Objects {
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one object that is sought, where it is known and still what it was: somebody else may have changed the token since, and the
    /// token may have given the handle to another object. Nothing when it must be searched for.
    pub(super) fn find(
        &self,
        session: &Session,
        sought: &Sought,
    ) -> Result<Option<ObjectHandle>, Fault> {
        let (Some(Place::One(object)), Some(name)) = (self.place(sought), &sought.name) else {
            return Ok(None);
        };
        let seen = Seen::read(session, object)?;
        if seen.is_some_and(|seen| seen.names().contains(name)) {
            return Ok(Some(object));
        }
        self.forget();
        Ok(None)
    }

    /// What is known of a name; nothing when it must be searched for.
    pub(super) fn place(&self, sought: &Sought) -> Option<Place> {
        let state = self.read();
        let name = sought.name.as_ref()?;
        state.index.as_ref()?.places.get(name).copied()
    }

    /// The CKA_IDs under which a key was seen; nothing when it must be searched for.
    pub(super) fn token_ids(&self, id: KeyId) -> Option<Vec<Vec<u8>>> {
        self.read().index.as_ref()?.ids.get(&id).cloned()
    }

    /// Notes an object that was just made.
    pub(super) fn made(&self, sought: &[Sought], object: ObjectHandle) {
        if let Some(index) = self.write().index.as_mut() {
            for name in sought.iter().filter_map(|sought| sought.name.as_ref()) {
                index.add(name.clone(), object);
            }
        }
    }

    /// Notes that an object is gone.
    pub(super) fn gone(&self, object: ObjectHandle) {
        if let Some(index) = self.write().index.as_mut() {
            // A name that several objects had may now be that of one: it must be searched for.
            index
                .places
                .retain(|_, place| *place != Place::One(object) && *place != Place::Several);
        }
    }

    /// Throws the index away.
    pub(super) fn forget(&self) {
        let mut state = self.write();
        state.index = None;
        state.forgotten += 1;
    }

    /// Whether there is an index.
    pub(super) fn are_known(&self) -> bool {
        self.read().index.is_some()
    }

    /// Begins a walk over every object of the token.
    pub(super) fn walk(&self, session: &Session, reads_keys: bool) -> Result<Option<Walk>, Fault> {
        let forgotten = self.read().forgotten;
        let all = keys::search(session, &[Attribute::Token(true)])?;
        Ok(Some(Walk {
            index: Index::default(),
            objects: all.into_iter(),
            forgotten,
            reads_keys,
        }))
    }

    /// Takes a finished walk for the index, unless what it saw has been thrown away meanwhile.
    pub(super) fn learn(&self, walk: Walk) {
        let mut state = self.write();
        if state.forgotten == walk.forgotten {
            state.index = Some(walk.index);
        }
    }
}
