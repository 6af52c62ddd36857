//! Other people's validators. One that is not installed says so and counts for nothing.

use crate::fixture::{Desk, judge};

/// Asks all of them; gives what pyHanko said.
pub(crate) fn all_agree(what: &str, pdf: &[u8], root: &str, signatures: usize) -> Option<String> {
    qpdf_agrees(what, pdf);
    pdfsig_agrees(what, pdf, root, signatures);
    openssl_agrees(what, pdf, root);
    pyhanko_agrees(what, pdf, root, signatures)
}

#[expect(
    clippy::disallowed_methods,
    reason = "names a judge that is not on the path"
)]
fn pyhanko() -> String {
    std::env::var("ROMDUOL_PYHANKO").unwrap_or_else(|_| "pyhanko".to_owned())
}

pub(crate) fn pyhanko_agrees(
    what: &str,
    pdf: &[u8],
    root: &str,
    signatures: usize,
) -> Option<String> {
    let (ok, said) = pyhanko_says(pdf, root)?;
    assert!(ok, "{what}: pyhanko\n{said}");
    assert_eq!(
        said.matches(":INTACT:TRUSTED").count(),
        signatures,
        "{what}: pyhanko\n{said}"
    );
    Some(said)
}

pub(crate) fn pyhanko_says(pdf: &[u8], root: &str) -> Option<(bool, String)> {
    let desk = Desk::new();
    desk.put("signed.pdf", pdf);
    desk.put("root.pem", root);
    let mut arguments = vec!["sign", "validate", "--trust", "root.pem", "--trust-replace"];
    // pyHanko reads hybrid files only when told to be less strict.
    if pdf.windows(8).any(|w| w == b"/XRefStm") {
        arguments.push("--no-strict-syntax");
    }
    arguments.push("signed.pdf");
    judge(&desk.path(""), &pyhanko(), &arguments)
}

fn qpdf_agrees(what: &str, pdf: &[u8]) {
    let desk = Desk::new();
    desk.put("signed.pdf", pdf);
    if let Some((ok, said)) = judge(&desk.path(""), "qpdf", &["--check", "signed.pdf"]) {
        assert!(ok, "{what}: qpdf\n{said}");
    }
}

/// pdfsig has no exit code, and wants its roots in a database of NSS.
fn pdfsig_agrees(what: &str, pdf: &[u8], root: &str, signatures: usize) {
    let desk = Desk::new();
    desk.put("signed.pdf", pdf);
    desk.put("root.pem", root);
    std::fs::create_dir(desk.path("nss")).unwrap();
    let folder = desk.path("");
    let run = |program, arguments: &[&str]| judge(&folder, program, arguments);
    if run("certutil", &["-N", "-d", "nss", "--empty-password"]).is_none() {
        return;
    }
    run(
        "certutil",
        &[
            "-A", "-d", "nss", "-n", "root", "-t", "CT,C,C", "-i", "root.pem",
        ],
    );
    let Some((_, said)) = run("pdfsig", &["-no-ocsp", "-nssdir", "nss", "signed.pdf"]) else {
        return;
    };
    let count = |text: &str| said.matches(text).count();
    assert_eq!(
        count("Signature is Valid."),
        signatures,
        "{what}: pdfsig\n{said}"
    );
    assert_eq!(
        count("Signature Type: ETSI.CAdES.detached"),
        signatures,
        "{what}: pdfsig\n{said}"
    );
    assert_eq!(count("Total document signed"), 1, "{what}: pdfsig\n{said}");
}

/// The last signature, cut out, under OpenSSL's CAdES checks.
fn openssl_agrees(what: &str, pdf: &[u8], root: &str) {
    let last = ades::pades::signatures(pdf).unwrap().pop().unwrap();
    let text = String::from_utf8_lossy(pdf);
    let range = text
        .rsplit("/ByteRange [")
        .next()
        .unwrap()
        .split(']')
        .next()
        .unwrap();
    let numbers: Vec<usize> = range
        .split_ascii_whitespace()
        .map(|n| n.parse().unwrap())
        .collect();
    // Lossy text keeps no offsets; the numbers do.
    let covered = [
        &pdf[..numbers[1]],
        &pdf[numbers[2]..numbers[2] + numbers[3]],
    ]
    .concat();
    let desk = Desk::new();
    desk.put("sig.der", &last.contents);
    desk.put("covered", covered);
    desk.put("root.pem", root);
    let verify = [
        "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", "sig.der", "-CAfile",
        "root.pem", "-purpose", "any", "-out", "out", "-content",
    ];
    desk.openssl_refuses(&[&verify[..], &["root.pem"]].concat());
    let said = desk.openssl_agrees(&[&verify[..], &["covered"]].concat());
    assert!(
        said.is_none_or(|said| said.contains("CAdES Verification successful")),
        "{what}"
    );
}

/// The same file, written anew by qpdf with these options.
pub(crate) fn rewritten(pdf: &[u8], options: &[&str]) -> Option<Vec<u8>> {
    let desk = Desk::new();
    desk.put("plain.pdf", pdf);
    let arguments = [options, &["plain.pdf", "rewritten.pdf"]].concat();
    let (ok, said) = judge(&desk.path(""), "qpdf", &arguments)?;
    assert!(ok, "qpdf {options:?}\n{said}");
    Some(std::fs::read(desk.path("rewritten.pdf")).unwrap())
}
