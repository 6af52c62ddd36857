//! New generations of the token's key.

use super::*;
use crate::sealed::file::SealedFile;

fn generations(shelf: &Shelf) -> Vec<u32> {
    let files = shelf.files().into_iter();
    let of = |path: PathBuf| {
        SealedFile::parse(&fs::read(path).unwrap())
            .unwrap()
            .generation
    };
    let mut generations: Vec<_> = files.map(of).collect();
    generations.sort_unstable();
    generations
}

#[test]
fn every_key_goes_over_to_the_new_generation_and_signs_on_without_the_old() {
    let shelf = Shelf::new(20);
    assert_eq!(shelf.rewrap(), Ok(None));
    let keys = shelf.open();
    let ids: Vec<_> = (0..20)
        .map(|number| {
            let name = label(&format!("sign/{number}"));
            keys.generate(&name, KeyAlgorithm::P256, None).unwrap()
        })
        .collect();
    let done = shelf.rewrap().unwrap().unwrap();
    assert_eq!((done.generation, done.rewrapped, done.before), (2, 20, 0));
    assert!(done.failed.is_empty());
    assert_eq!(generations(&shelf), [2; 20]);
    shelf.vault.0.state.lock().unwrap().generations.remove(&1);
    let keys = shelf.open();
    for id in ids {
        signs(&keys, id).unwrap();
    }
    // What is made from now on is of the new generation too.
    keys.generate(&label("sign/new"), KeyAlgorithm::P256, None)
        .unwrap();
    assert_eq!(generations(&shelf), [2; 21]);
    assert_eq!(shelf.rewrap().unwrap().unwrap().generation, 3);
}

#[test]
fn a_run_that_was_cut_short_is_completed_by_the_next() {
    for cut in 0..7 {
        let shelf = Shelf::new(21);
        let keys = shelf.open();
        let ids: Vec<_> = (0..6)
            .map(|number| {
                let name = label(&format!("sign/{number}"));
                keys.generate(&name, KeyAlgorithm::Ed25519, None).unwrap()
            })
            .collect();
        shelf.vault.0.state.lock().unwrap().wraps_left = Some(cut);
        let first = shelf.rewrap();
        assert_eq!(first.is_ok(), cut == 6, "{first:?}");
        // In the middle every key is usable, and a part of a file that was being replaced is in nobody's way.
        let stray = shelf.files()[0].with_extension("tmp");
        replace(&stray, b"RSK");
        let keys = shelf.open();
        for id in &ids {
            signs(&keys, *id).unwrap();
        }
        let made = usize::try_from(cut).unwrap();
        assert_eq!(
            generations(&shelf),
            [&[1; 6][made..], &[2; 6][..made]].concat()
        );
        shelf.vault.0.state.lock().unwrap().wraps_left = None;
        let next = shelf.rewrap().unwrap().unwrap();
        let expected = if cut == 6 {
            (3, 6, 0)
        } else {
            (2, 6 - cut, cut)
        };
        assert_eq!((next.generation, next.rewrapped, next.before), expected);
        assert_eq!(generations(&shelf), [expected.0; 6]);
    }
}

#[test]
fn a_damaged_file_is_reported_and_holds_nobody_up() {
    let shelf = Shelf::new(22);
    let keys = shelf.open();
    let ids = ["sign/one", "sign/two", "sign/three"].map(|name| {
        keys.generate(&label(name), KeyAlgorithm::P256, None)
            .unwrap()
    });
    let of_key = |path: &&PathBuf| path.to_str().unwrap().contains(&ids[1].to_string());
    let file = shelf.files().iter().find(of_key).unwrap().clone();
    let mut forged = SealedFile::parse(&fs::read(&file).unwrap()).unwrap();
    forged.wrapped[0] ^= 1;
    replace(&file, &forged.encode().unwrap());
    let done = shelf.rewrap().unwrap().unwrap();
    assert_eq!((done.rewrapped, done.failed.len()), (2, 1));
    assert_eq!(done.failed[0].0, ids[1]);
    assert_eq!(fs::read(&file).unwrap(), forged.encode().unwrap());
    signs(&shelf.open(), ids[0]).unwrap();
}

#[test]
fn a_retired_generation_takes_no_keys_of_a_run_that_was_cut_short() {
    let shelf = Shelf::new(23);
    let keys = shelf.open();
    for name in ["sign/one", "sign/two"] {
        keys.generate(&label(name), KeyAlgorithm::P256, None)
            .unwrap();
    }
    shelf.vault.0.state.lock().unwrap().wraps_left = Some(1);
    assert!(shelf.rewrap().is_err());
    assert_eq!(generations(&shelf), [1, 2]);
    let mut state = shelf.vault.0.state.lock().unwrap();
    (state.wraps_left, _) = (None, state.retired.insert(2));
    drop(state);
    let done = shelf.rewrap().unwrap().unwrap();
    assert_eq!((done.generation, done.rewrapped, done.before), (3, 2, 0));
    assert_eq!(generations(&shelf), [3, 3]);
}

#[test]
fn what_lies_under_a_generation_is_counted_and_what_cannot_be_read_is_told_apart() {
    use std::time::{Duration, Instant};

    let shelf = Shelf::new(24);
    let keys = shelf.open();
    let later = Instant::now() + Duration::from_mins(5);
    let lying = |generation, unread| {
        let found = keys.lying_under(generation, later).unwrap();
        assert_eq!(found.unread, unread);
        found.keys
    };
    assert_eq!(lying(1, 0), 0);
    let ids: Vec<_> = (0..9)
        .map(|number| {
            let name = label(&format!("sign/{number}"));
            keys.generate(&name, KeyAlgorithm::P256, None).unwrap()
        })
        .collect();
    assert_eq!((lying(1, 0), lying(2, 0)), (9, 0));
    shelf.vault.0.state.lock().unwrap().wraps_left = Some(4);
    assert!(shelf.rewrap().is_err());
    assert_eq!((lying(1, 0), lying(2, 0)), (5, 4));
    let of_key = |path: &&PathBuf| path.to_str().unwrap().contains(&ids[1].to_string());
    replace(shelf.files().iter().find(of_key).unwrap(), b"RSK");
    assert_eq!(lying(1, 1) + lying(2, 1), 8);
    assert_eq!(
        keys.lying_under(1, Instant::now()),
        Err(KeyStoreError::Deadline)
    );
    keys.destroy(ids[1]).unwrap();
    assert_eq!(lying(1, 0) + lying(2, 0), 8);
}
