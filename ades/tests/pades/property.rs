//! Files from nowhere: read without a panic, and never believed.

use std::sync::OnceLock;

use ades::pades::{Level, Prepared, prepare, signatures};
use hsm_bridge::SignatureScheme;
use hsm_bridge::verify::OpenSslVerifier;
use proptest::prelude::*;

use crate::fixture::{Entity, Pki};
use crate::samples;
use crate::sign::{options, sign};

fn signed() -> &'static (Entity, Vec<u8>) {
    static SIGNED: OnceLock<(Entity, Vec<u8>)> = OnceLock::new();
    SIGNED.get_or_init(|| {
        let pki = Pki::new();
        let official = pki.entity("Official", 60, SignatureScheme::EcdsaP256Sha256, None);
        let pdf = samples::letter(samples::Xref::Stream, "", "", &[]);
        let pdf = sign(&pdf, &official, &options(&official, Level::BB));
        // The token goes with its owner; only certificate and file are used from here on.
        (official, pdf)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let pdf = [b"%PDF-1.7\n", bytes.as_slice()].concat();
        let _ = signatures(&pdf);
        let _ = prepare(&pdf, &options(&signed().0, Level::BB));
        let _ = Prepared::decode(&bytes);
    }

    #[test]
    fn mutated_files_never_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let (official, pdf) = signed();
        let mut pdf = pdf.clone();
        for (index, byte) in changes {
            let at = index.index(pdf.len());
            pdf[at] = byte;
        }
        if let Some(cut) = cut {
            pdf.truncate(cut.index(pdf.len()));
        }
        for signature in signatures(&pdf).unwrap_or_default() {
            let _ = signature.verify(&pdf, &OpenSslVerifier);
        }
        let _ = prepare(&pdf, &options(official, Level::BB));
    }

    #[test]
    fn stored_forms_never_panic(position in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let (official, pdf) = signed();
        let mut stored = prepare(pdf, &options(official, Level::BT)).unwrap().encode().unwrap();
        let at = position.index(stored.len().min(4096));
        stored[at] = byte;
        if let Ok(prepared) = Prepared::decode(&stored) {
            let _ = prepared.finish(b"x", None);
        }
    }
}
