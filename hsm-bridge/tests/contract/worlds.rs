//! The tokens that the suite runs on: the module as it is, and behind each vendor that the strict token plays.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use hsm_bridge::testing::MODULE_VARIABLE;
use strict_token::{Profile, module_file};

use crate::exceptions::{Exception, exceptions};
use crate::place::Place;
use crate::{Contract, contracts, process};

/// Names the contract that a process was started to try.
const CONTRACT_VARIABLE: &str = "HSM_BRIDGE_TEST_CONTRACT";

/// A module, bare or wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum World {
    /// The module as it is.
    Bare,
    /// Behind the strict token, which plays this vendor.
    Played(Profile),
}

/// Whether the module is the token that is linked in.
pub(crate) fn is_linked() -> bool {
    process::module().file_name() == Some(OsStr::new(process::LINKED_MODULE))
}

impl World {
    pub(crate) fn module(self) -> PathBuf {
        match self {
            Self::Bare => process::module(),
            Self::Played(_) => module_file().unwrap(),
        }
    }

    /// The template of such a token.
    pub(crate) fn template(self) -> &'static str {
        match self {
            Self::Bare | Self::Played(Profile::Plain) if is_linked() => "kryoptic",
            Self::Bare | Self::Played(Profile::Plain) => "softhsm",
            Self::Played(Profile::LunaLike) => "luna",
            Self::Played(Profile::NshieldLike) => "nshield",
            Self::Played(Profile::YubihsmLike) => "yubihsm",
            Self::Played(Profile::CloudhsmLike) => "cloudhsm",
            Self::Played(Profile::KryopticLike) => "kryoptic",
            Self::Played(Profile::YkcsLike) => "ykcs",
        }
    }
}

/// Tries every contract in a process of its own, and holds the outcome against the exceptions of this token.
fn keeps_its_contracts(test: &str, world: World) {
    if let Some(wanted) = std::env::var_os(CONTRACT_VARIABLE) {
        let one = |name: &str| OsStr::new(name) == wanted;
        let contract = contracts().into_iter().find(|it| one(&it.name)).unwrap();
        return (contract.body)(&Place::make(world));
    }
    let exceptions = exceptions(world);
    let tried = contracts()
        .into_iter()
        .map(|contract| {
            (
                contract.name.clone(),
                try_alone(test, world, &contract.name),
            )
        })
        .collect::<Vec<_>>();
    let names: BTreeSet<_> = tried.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.len(), tried.len(), "two contracts of one name");
    let stray = exceptions.iter().find(|it| !names.contains(it.contract));
    assert_eq!(stray, None, "an exception to no contract");
    let complaints: Vec<_> = tried
        .iter()
        .filter_map(|(name, ended)| {
            let exception = exceptions.iter().find(|it| it.contract == name.as_str());
            judge(ended, exception).map(|why| format!("{name}: {why}"))
        })
        .collect();
    assert!(
        complaints.is_empty(),
        "{} of {} contracts on {world:?}:\n{}",
        complaints.len(),
        tried.len(),
        complaints.join("\n")
    );
}

fn try_alone(test: &str, world: World, contract: &str) -> process::Ended {
    let folder = tempfile::tempdir().unwrap();
    process::furnish(folder.path(), |settings| {
        if let World::Played(profile) = world {
            settings.profile = profile;
        }
    });
    let wanted = [(CONTRACT_VARIABLE, OsStr::new(contract))];
    process::again(test, folder.path(), &wanted)
}

/// What is wrong with the way a contract ended; `None` when it was kept, or was broken as its exception says.
fn judge(ended: &process::Ended, exception: Option<&Exception>) -> Option<String> {
    match (ended.passed, exception) {
        (true, None) => None,
        (false, None) => Some(ended.said.clone()),
        (true, Some(exception)) => Some(format!(
            "kept, although it is an exception ({}): take it out of the list",
            exception.because
        )),
        (false, Some(exception)) if ended.said.contains(exception.says) => None,
        (false, Some(exception)) => Some(format!(
            "broken, but not as the exception says ('{}' is not in this):\n{}",
            exception.says, ended.said
        )),
    }
}

#[test]
fn an_exception_is_broken_as_it_says_and_never_kept() {
    let exception = Exception {
        contract: "c",
        says: "no such mechanism",
        because: "it has none",
    };
    let ended = |passed: bool, said: &str| process::Ended {
        passed,
        said: said.to_owned(),
    };
    let (kept, broken) = (ended(true, ""), ended(false, "no such mechanism: 7"));
    let otherwise = ended(false, "SIGSEGV");
    assert_eq!(judge(&kept, None), None);
    assert_eq!(judge(&broken, Some(&exception)), None);
    judge(&broken, None).unwrap();
    assert!(
        judge(&kept, Some(&exception))
            .unwrap()
            .contains("take it out")
    );
    assert!(
        judge(&otherwise, Some(&exception))
            .unwrap()
            .contains("SIGSEGV")
    );
}

/// A test for each world, and a list of them.
macro_rules! worlds {
    ($($name:ident: $world:expr),+ $(,)?) => {
        const WORLDS: &[World] = &[$($world),+];
        $(
            #[test]
            fn $name() {
                keeps_its_contracts(concat!("worlds::", stringify!($name)), $world);
            }
        )+
    };
}

worlds! {
    bare: World::Bare,
    plain: World::Played(Profile::Plain),
    luna_like: World::Played(Profile::LunaLike),
    nshield_like: World::Played(Profile::NshieldLike),
    yubihsm_like: World::Played(Profile::YubihsmLike),
    cloudhsm_like: World::Played(Profile::CloudhsmLike),
    kryoptic_like: World::Played(Profile::KryopticLike),
    ykcs_like: World::Played(Profile::YkcsLike),
}

#[test]
fn every_vendor_that_can_be_played_is() {
    for profile in Profile::ALL {
        assert!(WORLDS.contains(&World::Played(profile)), "{profile:?}");
    }
}

#[test]
fn the_linked_in_token_is_meant_where_it_is_built() {
    let built_beside = env!("CARGO_PKG_NAME") == "hsm-bridge-embedded";
    let other_is_named = std::env::var_os(MODULE_VARIABLE).is_some();
    assert!(other_is_named || is_linked() == built_beside);
    if is_linked() {
        let module: &Path = &process::module();
        assert!(module.is_file(), "{}", module.display());
        let quantum = |it: &Contract| it.name == "ml-dsa-65 signs by ML-DSA-65";
        assert!(contracts().iter().any(quantum));
    }
}
