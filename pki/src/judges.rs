//! External judges over real keys: OpenSSL verifies, GnuTLS reads, pkilint finds nothing at WARNING or above.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use hsm_bridge::verify::OpenSslVerifier;

use crate::certificate::Certificate;
use crate::crl::{CertificateList, CrlBuilder, CrlReason, RevokedEntry};
use crate::fixture::{NOW, hierarchy, now, policies, profile, serial};
use crate::issue::Issuer;
use crate::profile::{PolicyOids, ProfileName, Profiles, QcClaims};

const CRL_LIFE: Duration = Duration::from_hours(24);
const PKILINT_DIR: &str = "ROMDUOL_PKILINT_DIR";

/// Runs a judge; `None` if it is not installed, otherwise its output, which must be a pardon.
fn judge(program: &Path, arguments: &[&str]) -> Option<String> {
    let output = match Command::new(program).args(arguments).output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("not run: {}", program.display());
            return None;
        }
        Err(error) => panic!("{}: {error}", program.display()),
    };
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(
        output.status.success(),
        "{} {arguments:?}:\n{text}",
        program.display()
    );
    Some(text)
}

#[expect(
    clippy::disallowed_methods,
    reason = "where a judge lives is the tester's to say"
)]
fn pkilint(program: &str) -> PathBuf {
    std::env::var(PKILINT_DIR).map_or_else(
        |_| PathBuf::from(program),
        |folder| Path::new(&folder).join(program),
    )
}

struct Court {
    folder: tempfile::TempDir,
}

impl Court {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn certificate(&self, name: &str, certificate: &Certificate) -> String {
        self.file(&format!("{name}.pem"), &certificate.pem().unwrap())
    }
}

fn list(
    issuer: &Issuer,
    signer: &dyn hsm_bridge::Signer,
    shard: u16,
    seeds: &[u8],
) -> CertificateList {
    let builder = CrlBuilder {
        issuer,
        shard,
        number: 7,
        this_update: now(),
        next_update: now() + CRL_LIFE,
    };
    let entries = seeds.iter().map(|seed| RevokedEntry {
        serial: serial(*seed),
        revoked_at: now() - Duration::from_hours(1),
        reason: CrlReason::KeyCompromise,
    });
    builder
        .build(entries)
        .unwrap()
        .sign(signer, &OpenSslVerifier)
        .unwrap()
}

#[test]
fn every_profile_is_pardoned() {
    let hierarchy = hierarchy();
    let court = Court::new();
    let root = court.certificate("anchor", &hierarchy.root.certificate);
    let issuing = court.certificate("authority", &hierarchy.issuing.certificate);
    let at = NOW.to_string();
    lint_certificate(&root);
    for (seed, name) in (10_u8..).zip(ProfileName::ALL) {
        if name == ProfileName::Root {
            continue;
        }
        let certificate = hierarchy.issue(&profile(name), seed);
        let file = court.certificate(name.as_str(), &certificate);
        let mut arguments = vec!["verify", "-x509_strict", "-attime", &at, "-CAfile", &root];
        arguments.extend(["-untrusted", &issuing, &file]);
        judge(Path::new("openssl"), &arguments);
        judge(
            Path::new("openssl"),
            &["x509", "-in", &file, "-noout", "-text"],
        );
        lint_certificate(&file);
        judge(
            Path::new("certtool"),
            &["--certificate-info", "--infile", &file],
        );
    }
}

fn lint_certificate(file: &str) {
    judge(&pkilint("lint_pkix_cert"), &["lint", "-s", "WARNING", file]);
}

#[test]
fn quality_claims_are_well_formed() {
    let claims = QcClaims {
        legislation: vec!["KH".to_owned()],
        sscd: true,
        disclosure: vec![("https://pds.example.kh/en.pdf".to_owned(), "en".to_owned())],
    };
    let profiles = Profiles::with_claims(&policies(), &claims);
    let court = Court::new();
    for (seed, name) in (60_u8..).zip([ProfileName::OfficialSign, ProfileName::EntitySeal]) {
        let certificate = hierarchy().issue(profiles.find(name).unwrap(), seed);
        lint_certificate(&court.certificate(name.as_str(), &certificate));
    }
}

#[test]
fn lists_are_pardoned_and_revoke() {
    let hierarchy = hierarchy();
    let court = Court::new();
    let official = profile(ProfileName::OfficialSign);
    let revoked = hierarchy.issue(&official, 80);
    let shard = hierarchy.issuing.publish.shard(&serial(80));
    let good = (81_u8..=255)
        .find(|seed| hierarchy.issuing.publish.shard(&serial(*seed)) == shard)
        .map(|seed| hierarchy.issue(&official, seed))
        .unwrap();
    let persons = list(
        &hierarchy.issuing,
        hierarchy.issuing_signer.as_ref(),
        shard,
        &[80],
    );
    let anchors = list(&hierarchy.root, hierarchy.root_signer.as_ref(), 0, &[]);
    let root = court.certificate("anchor", &hierarchy.root.certificate);
    let issuing = court.certificate("authority", &hierarchy.issuing.certificate);
    let lists = [&persons, &anchors].map(|list| list.pem().unwrap());
    for (kind, list) in ["CRL", "ARL"].into_iter().zip(&lists) {
        let file = court.file(&format!("{kind}.crl"), list);
        let arguments = ["lint", "-t", kind, "-p", "PKIX", "-s", "WARNING", &file];
        judge(&pkilint("lint_crl"), &arguments);
        let authority = if kind == "CRL" { &issuing } else { &root };
        let output = judge(
            Path::new("openssl"),
            &["crl", "-in", &file, "-noout", "-CAfile", authority],
        );
        assert!(output.is_none_or(|text| text.contains("verify OK")));
        judge(Path::new("certtool"), &["--crl-info", "--infile", &file]);
    }
    let both = court.file("both.crl", &lists.concat());
    let at = NOW.to_string();
    let verify = |certificate: &str| {
        Command::new("openssl")
            .args([
                "verify",
                "-attime",
                &at,
                "-crl_check_all",
                "-extended_crl",
                "-CRLfile",
                &both,
            ])
            .args(["-CAfile", &root, "-untrusted", &issuing, certificate])
            .output()
            .unwrap()
    };
    let accepted = verify(&court.certificate("good", &good));
    assert!(
        accepted.status.success(),
        "{}",
        String::from_utf8_lossy(&accepted.stderr)
    );
    let refused = verify(&court.certificate("revoked", &revoked));
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("certificate revoked"));
}

#[test]
fn the_example_arc_is_readable_elsewhere() {
    let profiles = Profiles::new(&PolicyOids::default());
    let certificate = hierarchy().issue(profiles.find(ProfileName::Tsa).unwrap(), 61);
    let court = Court::new();
    let file = court.certificate("tsa", &certificate);
    let text = judge(
        Path::new("openssl"),
        &["x509", "-in", &file, "-noout", "-text"],
    );
    assert!(text.is_none_or(|text| text.contains("2.999.1.4")));
}
