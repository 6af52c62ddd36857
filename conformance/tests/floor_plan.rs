//! The floor plan holds: no arrow upward, no fenced crate outside its room, no file over the cap.

use conformance::floor_plan::{FILE_CAP, RANKS, private_keys_outside, sizes, violations};

#[test]
fn no_arrow_points_upward_and_fenced_crates_stay_inside() {
    assert_eq!(violations().unwrap(), Vec::<String>::new());
}

#[test]
fn private_keys_stay_behind_the_bridge() {
    assert_eq!(private_keys_outside().unwrap(), Vec::<String>::new());
}

#[test]
fn files_stay_under_the_cap() {
    println!(
        "{:<12} {:>6} {:>7} {:>7} {:>5} {:>5}",
        "room", "files", "lines", "median", "p90", "max"
    );
    let mut over = Vec::new();
    for (room, _) in RANKS {
        let Some(sizes) = sizes(room).unwrap() else {
            continue;
        };
        println!(
            "{room:<12} {:>6} {:>7} {:>7} {:>5} {:>5}",
            sizes.files, sizes.lines, sizes.median, sizes.ninth_decile, sizes.longest.1
        );
        if sizes.longest.1 > FILE_CAP {
            over.push(sizes.longest);
        }
    }
    assert_eq!(over, Vec::new(), "longer than {FILE_CAP} lines");
}
