//! Files that were changed after signing, in the ways that readers have fallen for (pdf-insecurity.org).

use ades::pades::{Coverage, Level, PadesError, signatures};
use hsm_bridge::SignatureScheme;
use hsm_bridge::verify::OpenSslVerifier;

use crate::fixture::{Entity, Pki};
use crate::sign::{options, sign};
use crate::{judges, samples};

fn signed() -> (Pki, Entity, Vec<u8>) {
    let pki = Pki::new();
    let official = pki.entity("Official", 50, SignatureScheme::EcdsaP256Sha256, None);
    let pdf = samples::letter(samples::Xref::Table, "", "", &[]);
    let pdf = sign(&pdf, &official, &options(&official, Level::BB));
    (pki, official, pdf)
}

/// Whether every signature holds and the last one covers the whole file.
fn accepted(pdf: &[u8]) -> bool {
    let Ok(found) = signatures(pdf) else {
        return false;
    };
    let whole = found
        .last()
        .is_some_and(|last| last.coverage == Coverage::WholeFile);
    whole
        && found
            .iter()
            .all(|s| s.verify(pdf, &OpenSslVerifier).is_ok())
}

fn find(pdf: &[u8], text: &str) -> usize {
    pdf.windows(text.len())
        .rposition(|w| w == text.as_bytes())
        .unwrap()
}

/// Replaces text by text of the same length.
fn replace(pdf: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = find(pdf, from);
    let mut changed = pdf.to_vec();
    changed[at..at + to.len()].copy_from_slice(to.as_bytes());
    changed
}

/// Appends an update that replaces one object.
fn append(pdf: &[u8], number: u32, body: &str) -> Vec<u8> {
    let mut out = pdf.to_vec();
    let object = out.len();
    out.extend(format!("{number} 0 obj\n{body}\nendobj\n").into_bytes());
    let table = out.len();
    let previous = find(pdf, "startxref") + 10;
    let previous: String = pdf[previous..]
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .map(|b| char::from(*b))
        .collect();
    out.extend(
        format!(
            "xref\n{number} 1\n{object:010} 00000 n\r\ntrailer\n<</Size 20/Root 1 0 R/Prev {previous}>>\n\
             startxref\n{table}\n%%EOF\n"
        )
        .into_bytes(),
    );
    out
}

#[test]
fn the_untouched_file_is_accepted() {
    assert!(accepted(&signed().2));
}

#[test]
fn every_changed_byte_is_noticed() {
    let (_, _, pdf) = signed();
    for position in 0..pdf.len() {
        let mut changed = pdf.clone();
        // Bit 0 never changes only the case of a hexadecimal digit, which would not be data.
        changed[position] ^= 0x01;
        let around = pdf
            .get(position.saturating_sub(20)..position + 20)
            .unwrap_or_default();
        assert!(
            !accepted(&changed),
            "byte {position} of {:?}",
            String::from_utf8_lossy(around)
        );
    }
}

#[test]
fn a_changed_file_is_called_changed() {
    let (_, _, pdf) = signed();
    let words = |pdf: &[u8]| match signatures(pdf) {
        Ok(found) => found[0].verify(pdf, &OpenSslVerifier).unwrap_err(),
        Err(error) => error,
    };
    let mut flipped = pdf.clone();
    let at = find(&pdf, "(Romduol)");
    flipped[at + 1] ^= 0x01;
    let replaced = append(&pdf, 4, "<</Length 3>>\nstream\nq Q\nendstream");
    for (what, changed) in [("a byte", flipped), ("an update", replaced)] {
        let said = words(&changed).to_string();
        assert!(
            said.starts_with("the file was changed after it was signed"),
            "{what}: {said}"
        );
    }
}

#[test]
fn usf_universal_signature_forgery() {
    let (_, _, pdf) = signed();
    let at = find(&pdf, "/ByteRange [");
    let end = at + pdf[at..].iter().position(|b| *b == b']').unwrap() + 1;
    let range = String::from_utf8(pdf[at..end].to_vec()).unwrap();
    let inner = range.len() - "/ByteRange []".len();
    let with = |numbers: &str| format!("/ByteRange [{numbers:inner$}]");
    for wrong in [
        "",
        "0 0 0 0",
        "0 1 2",
        "0 -1 5 5",
        "0 5 4 9",
        "null",
        "0 10 10 5",
        "0 1 2 3 4 5",
    ] {
        assert!(!accepted(&replace(&pdf, &range, &with(wrong))), "{wrong}");
    }
    assert!(!accepted(&replace(&pdf, "/ByteRange [", "/ByteRangX [")));
    assert!(!accepted(&replace(&pdf, "/Contents <", "/ContentX <")));
    assert!(!accepted(&replace(&pdf, "/Contents <30", "/Contents <00")));
    let numbers: Vec<usize> = range["/ByteRange [".len()..range.len() - 1]
        .split_ascii_whitespace()
        .map(|n| n.parse().unwrap())
        .collect();
    let huge = with(&format!("0 {} {} 99999", numbers[1], numbers[2]));
    assert!(!accepted(&replace(&pdf, &range, &huge)));
}

#[test]
fn isa_incremental_saving_attack() {
    let (pki, _, pdf) = signed();
    let other = "<</Type/Page/Parent 2 0 R/MediaBox[0 0 100 100]>>";
    for (number, body) in [
        (1, "<</Type/Catalog/Pages 9 0 R>>"),
        (2, "<</Type/Pages/Kids[]/Count 0>>"),
        (3, other),
        (4, "<</Length 3>>\nstream\nq Q\nendstream"),
        (5, "<</Type/Font/Subtype/Type1/BaseFont/Courier>>"),
    ] {
        let attacked = append(&pdf, number, body);
        assert!(!accepted(&attacked), "object {number}");
        if let Ok(found) = signatures(&attacked) {
            for signature in found {
                let verdict = signature.verify(&attacked, &OpenSslVerifier);
                assert!(
                    matches!(verdict, Err(PadesError::Changed(_))),
                    "object {number}"
                );
            }
        }
    }
    // An unrelated object leaves the signature good, but no longer over the whole file.
    let harmless = append(&pdf, 19, "(note)");
    assert!(!accepted(&harmless));
    assert_eq!(
        signatures(&harmless).unwrap()[0].coverage,
        Coverage::Revision
    );
    // Bytes behind the end, with no update at all.
    let trailing = [pdf.as_slice(), b"\n% hello"].concat();
    assert!(!accepted(&trailing));
    let attacked = append(&pdf, 3, other);
    if let Some((ok, said)) = judges::pyhanko_says(&attacked, &pki.root.certificate.pem().unwrap())
    {
        assert!(!ok, "{said}");
    }
}

#[test]
fn a_field_laid_over_the_page_is_a_change() {
    let (_, _, pdf) = signed();
    let found = |rect: &str| {
        let widget = format!("<</FT/Sig/T(x)/Subtype/Widget/Rect[{rect}]>>");
        let page = "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595.276 841.89]/Contents 4 0 R\
                    /Resources<</Font<</F1 5 0 R>>>>/Annots[7 0 R 19 0 R]>>";
        signatures(&append(&append(&pdf, 19, &widget), 3, page)).unwrap()[0].coverage
    };
    assert_eq!(found("0 0 0 0"), Coverage::Revision);
    assert!(matches!(found("0 0 500 500"), Coverage::ChangedSince(_)));
}

#[test]
fn swa_signature_wrapping_attack() {
    let (_, _, pdf) = signed();
    let at = find(&pdf, "/ByteRange [");
    let end = at + pdf[at..].iter().position(|b| *b == b']').unwrap() + 1;
    let range = String::from_utf8(pdf[at..end].to_vec()).unwrap();
    let inner = range.len() - "/ByteRange []".len();
    let numbers: Vec<usize> = range["/ByteRange [".len()..range.len() - 1]
        .split_ascii_whitespace()
        .map(|n| n.parse().unwrap())
        .collect();
    // The second part is moved behind new content that the signature leaves out.
    let injected = b"\n3 0 obj\n<</Type/Page/Parent 2 0 R>>\nendobj\n";
    let mut wrapped = pdf[..numbers[2]].to_vec();
    wrapped.extend_from_slice(injected);
    wrapped.extend_from_slice(&pdf[numbers[2]..]);
    let moved = format!(
        "0 {} {} {}",
        numbers[1],
        numbers[2] + injected.len(),
        numbers[3]
    );
    let wrapped = replace(&wrapped, &range, &format!("/ByteRange [{moved:inner$}]"));
    assert!(!accepted(&wrapped));
}

#[test]
fn a_later_signature_does_not_launder_a_change() {
    let (_, official, pdf) = signed();
    let changed = append(&pdf, 4, "<</Length 3>>\nstream\nq Q\nendstream");
    let resigned = sign(&changed, &official, &options(&official, Level::BB));
    let found = signatures(&resigned).unwrap();
    assert!(matches!(found[0].coverage, Coverage::ChangedSince(_)));
    assert!(found[0].verify(&resigned, &OpenSslVerifier).is_err());
    assert_eq!(found[1].coverage, Coverage::WholeFile);
    assert!(found[1].verify(&resigned, &OpenSslVerifier).is_ok());
}

#[test]
fn another_documents_signature_does_not_fit() {
    let (_, official, pdf) = signed();
    let other = samples::letter(samples::Xref::Table, "", "/Rotate 90", &[]);
    let other = sign(&other, &official, &options(&official, Level::BB));
    let contents = |pdf: &[u8]| {
        let start = find(pdf, "/Contents <");
        start..start + pdf[start..].iter().position(|b| *b == b'>').unwrap()
    };
    let (from, to) = (contents(&other), contents(&pdf));
    assert_eq!(from.len(), to.len());
    let mut swapped = pdf.clone();
    swapped[to].copy_from_slice(&other[from]);
    assert!(!accepted(&swapped));
}
