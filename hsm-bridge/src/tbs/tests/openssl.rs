//! What the `openssl` command makes passes; without the command the tests say `not run`.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use der::asn1::AnyRef;
use der::{Decode, Reader};
use spki::SubjectPublicKeyInfoOwned;
use tempfile::TempDir;

use super::super::{
    Authority, CertListChecker, CertListRules, CertificateRules, Signing, TbsError,
    check_cert_list, check_certificate,
};
use super::DAY;
use crate::SignatureScheme;

const CONFIG: &str = "
[req]
distinguished_name = dn
[dn]
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[issuing]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
[leaf]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth
subjectAltName = email:a@example.invalid
[ca]
default_ca = house
[house]
database = index.txt
crlnumber = crlnumber
default_md = sha256
default_crl_days = 7
crl_extensions = crl
certificate = ca.pem
private_key = ca.key
[crl]
authorityKeyIdentifier = keyid
";

fn run(folder: &Path, line: &str) -> bool {
    let done = Command::new("openssl")
        .args(line.split_whitespace())
        .current_dir(folder)
        .output();
    match done {
        Ok(output) => {
            assert!(output.status.success(), "{line}: {output:?}");
            true
        }
        Err(_) => false,
    }
}

/// A folder with a root, its key in DER and the time of its making; `None` without the command.
fn house(new_key: &str) -> Option<(TempDir, SubjectPublicKeyInfoOwned, SystemTime)> {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("x.cnf"), CONFIG).unwrap();
    if !run(at, &format!("genpkey {new_key} -out ca.key")) {
        eprintln!("not run: there is no openssl command");
        return None;
    }
    run(
        at,
        "req -x509 -new -key ca.key -subj /C=KH/O=House/CN=Root -days 3650 -config x.cnf -extensions root -out ca.pem",
    );
    run(at, "pkey -in ca.key -pubout -outform DER -out ca.pub");
    let key = SubjectPublicKeyInfoOwned::from_der(&fs::read(at.join("ca.pub")).unwrap()).unwrap();
    let made = fs::metadata(at.join("ca.pub")).unwrap().modified().unwrap();
    Some((folder, key, made))
}

/// The first part of a Certificate or CertificateList.
fn signed_part(file: &Path) -> Vec<u8> {
    let whole = fs::read(file).unwrap();
    AnyRef::from_der(&whole)
        .unwrap()
        .sequence(|reader| {
            let part = reader.tlv_bytes()?.to_vec();
            reader.tlv_bytes()?;
            reader.tlv_bytes()?;
            Ok::<_, der::Error>(part)
        })
        .unwrap()
}

fn certificate(folder: &Path, section: &str) -> Vec<u8> {
    run(
        folder,
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out s.key",
    );
    run(
        folder,
        "req -new -key s.key -subj /C=KH/CN=Sok -config x.cnf -out s.csr",
    );
    run(
        folder,
        &format!(
            "x509 -req -in s.csr -CA ca.pem -CAkey ca.key -days 90 -extfile x.cnf -extensions {section} -outform DER -out s.der"
        ),
    );
    signed_part(&folder.join("s.der"))
}

#[test]
fn certificates_pass_by_the_rules_of_their_issuer() {
    for (new_key, scheme) in [
        (
            "-algorithm EC -pkeyopt ec_paramgen_curve:P-256",
            SignatureScheme::EcdsaP256Sha256,
        ),
        (
            "-algorithm RSA -pkeyopt rsa_keygen_bits:2048",
            SignatureScheme::RsaPkcs1Sha256,
        ),
        ("-algorithm ED25519", SignatureScheme::Ed25519),
    ] {
        let Some((folder, public_key, now)) = house(new_key) else {
            return;
        };
        let at = folder.path();
        let signing = Signing {
            scheme,
            public_key: &public_key,
            now,
        };
        run(at, "x509 -in ca.pem -outform DER -out ca.der");
        let root = Authority::of_certificate(&fs::read(at.join("ca.der")).unwrap()).unwrap();
        let mut rules = CertificateRules::new(90 * DAY);
        rules.issuer = Some(root.name);
        rules.latest_end = Some(root.end);
        let leaf = certificate(at, "leaf");
        let facts = check_certificate(&leaf, &rules, &signing).unwrap();
        assert_eq!(facts.key_id, crate::KeyId::of_der(&subject_key(at)));
        let issuing = certificate(at, "issuing");
        let refused = check_certificate(&issuing, &rules, &signing);
        assert_eq!(refused, Err(TbsError::Authority));
        rules.path_length = Some(0);
        assert!(
            check_certificate(&issuing, &rules, &signing)
                .unwrap()
                .authority
        );
        // The root itself is signed by its own key.
        let own = signed_part(&at.join("ca.der"));
        let mut root_rules = CertificateRules::new(3660 * DAY);
        root_rules.path_length = Some(255);
        let found = check_certificate(&own, &root_rules, &signing);
        assert_eq!(found, Err(TbsError::OwnKey));
        // One list as an authority signs it is no certificate.
        let list = list(at, 3);
        assert!(check_certificate(&list, &rules, &signing).is_err());
        assert!(check_cert_list(&leaf, &CertListRules::default(), &signing).is_err());
        assert!(check_cert_list(&list, &CertListRules::default(), &signing).is_ok());
    }
}

fn subject_key(folder: &Path) -> Vec<u8> {
    run(folder, "pkey -in s.key -pubout -outform DER -out s.pub");
    fs::read(folder.join("s.pub")).unwrap()
}

fn list(folder: &Path, count: u32) -> Vec<u8> {
    let reasons = ["", ",keyCompromise", ",superseded", ",cessationOfOperation"];
    let line = |(n, reason): (u32, &str)| {
        let serial = format!("5A00000000000000{n:08X}");
        format!("R\t300101000000Z\t260101000000Z{reason}\t{serial}\tunknown\t/CN=x{n}")
    };
    let lines: Vec<String> = (0..count)
        .zip(reasons.into_iter().cycle())
        .map(line)
        .collect();
    let index = lines.join("\n") + "\n";
    fs::write(folder.join("index.txt"), index).unwrap();
    fs::write(folder.join("crlnumber"), "1000\n").unwrap();
    run(folder, "ca -gencrl -config x.cnf -out list.pem");
    run(folder, "crl -in list.pem -outform DER -out list.der");
    signed_part(&folder.join("list.der"))
}

#[test]
fn a_long_list_passes_in_pieces() {
    let Some((folder, public_key, now)) = house("-algorithm EC -pkeyopt ec_paramgen_curve:P-256")
    else {
        return;
    };
    let tbs = list(folder.path(), 5000);
    assert!(tbs.len() > 150_000);
    let signing = Signing {
        scheme: SignatureScheme::EcdsaP256Sha256,
        public_key: &public_key,
        now,
    };
    let rules = CertListRules::default();
    let announced = u64::try_from(tbs.len()).unwrap();
    let mut checker = CertListChecker::new(&rules, &signing, announced).unwrap();
    for piece in tbs.chunks(4099) {
        checker.update(piece).unwrap();
    }
    let passed = checker.finish().unwrap();
    assert_eq!(passed.facts.entries, 5000);
    assert_eq!(passed.facts.number, [0x10, 0x00]);
    assert_eq!(passed.digest, signing.scheme.digest(&tbs));
    assert_eq!(check_cert_list(&tbs, &rules, &signing), Ok(passed));
}
