//! PDFs written by hand, one for each shape that a signer has to cope with.

use std::fmt::Write as _;

/// How the file keeps its cross-references.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Xref {
    Table,
    Stream,
    Hybrid,
}

const CONTENT: &str = "BT /F1 24 Tf 72 700 Td (Romduol) Tj ET";

/// A one-page letter; `catalog` and `page` are further entries, `more` further objects from number 6 on.
pub(crate) fn letter(xref: Xref, catalog: &str, page: &str, more: &[&str]) -> Vec<u8> {
    let mut objects = vec![
        format!("<</Type/Catalog/Pages 2 0 R{catalog}>>"),
        "<</Type/Pages/Kids[3 0 R]/Count 1>>".to_owned(),
        format!(
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595.276 841.89]/Contents 4 0 R\
             /Resources<</Font<</F1 5 0 R>>>>{page}>>"
        ),
        format!(
            "<</Length {}>>\nstream\n{CONTENT}\nendstream",
            CONTENT.len()
        ),
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>".to_owned(),
    ];
    objects.extend(more.iter().map(|o| (*o).to_owned()));
    let mut out = "%PDF-1.7\n%\u{e2}\u{e3}\u{cf}\u{d3}\n".to_owned();
    let mut offsets = Vec::new();
    for (n, object) in objects.iter().enumerate() {
        offsets.push(out.len());
        write!(out, "{} 0 obj\n{object}\nendobj\n", n + 1).unwrap();
    }
    let count = objects.len() + 1;
    let id = "/ID[<00112233445566778899aabbccddeeff><00112233445566778899aabbccddeeff>]";
    let start = out.len();
    let mut bytes = out.into_bytes();
    if xref == Xref::Stream {
        bytes.extend(xref_stream(count, &offsets, start, id));
        bytes.extend(format!("startxref\n{start}\n%%EOF\n").into_bytes());
        return bytes;
    }
    // A hybrid file has a stream beside its table for readers that know streams (ISO 32000-2 §7.5.8.4).
    let mut extra = String::new();
    if xref == Xref::Hybrid {
        bytes.extend(xref_stream(count, &offsets, start, id));
        extra = format!("/XRefStm {start}");
    }
    let table = bytes.len();
    let mut text = format!("xref\n0 {count}\n0000000000 65535 f\r\n");
    for offset in &offsets {
        write!(text, "{offset:010} 00000 n\r\n").unwrap();
    }
    write!(
        text,
        "trailer\n<</Size {}/Root 1 0 R/Lang(km){id}{extra}>>\nstartxref\n{table}\n%%EOF\n",
        count + usize::from(xref == Xref::Hybrid)
    )
    .unwrap();
    bytes.extend(text.into_bytes());
    bytes
}

fn xref_stream(count: usize, offsets: &[usize], own: usize, id: &str) -> Vec<u8> {
    let mut rows = vec![0, 0, 0, 0xff, 0xff];
    for offset in offsets.iter().chain([&own]) {
        rows.push(1);
        rows.extend(u16::try_from(*offset).unwrap().to_be_bytes());
        rows.extend([0, 0]);
    }
    let mut out = format!(
        "{count} 0 obj\n<</Type/XRef/Size {}/W[1 2 2]/Root 1 0 R{id}/Length {}>>\nstream\n",
        count + 1,
        rows.len()
    )
    .into_bytes();
    out.extend(rows);
    out.extend(b"\nendstream\nendobj\n");
    out
}

/// Every shape by name.
pub(crate) fn all() -> Vec<(&'static str, Vec<u8>)> {
    let plain = |xref| letter(xref, "", "", &[]);
    let text_field = "<</FT/Tx/T(office)/V(MPTC)/Type/Annot/Subtype/Widget/Rect[50 50 200 70]/P 3 0 R\
                      /DA(/Helv 0 Tf 0 g)>>";
    let no_eol = {
        let mut pdf = plain(Xref::Table);
        pdf.pop();
        pdf
    };
    vec![
        ("table", plain(Xref::Table)),
        ("stream", plain(Xref::Stream)),
        ("hybrid", plain(Xref::Hybrid)),
        ("no end of line", no_eol),
        ("rotated", letter(Xref::Table, "", "/Rotate 90", &[])),
        (
            "form in the catalog",
            letter(
                Xref::Table,
                "/AcroForm<</Fields[6 0 R]/DA(/Helv 0 Tf 0 g)>>",
                "/Annots[6 0 R]",
                &[text_field],
            ),
        ),
        (
            "form and arrays apart",
            letter(
                Xref::Stream,
                "/AcroForm 7 0 R",
                "/Annots 8 0 R",
                &[
                    text_field,
                    "<</Fields 9 0 R/SigFlags 1>>",
                    "[6 0 R]",
                    "[6 0 R]",
                ],
            ),
        ),
    ]
}

/// A letter with a signature field that waits.
pub(crate) fn with_waiting_field() -> Vec<u8> {
    letter(
        Xref::Table,
        "/AcroForm<</Fields[6 0 R 7 0 R]>>",
        "/Annots[6 0 R 7 0 R]",
        &[
            "<</FT/Sig/T(minister)/Type/Annot/Subtype/Widget/Rect[0 0 0 0]/F 132/P 3 0 R>>",
            "<</FT/Tx/T(office)/Type/Annot/Subtype/Widget/Rect[50 50 200 70]/P 3 0 R>>",
        ],
    )
}
