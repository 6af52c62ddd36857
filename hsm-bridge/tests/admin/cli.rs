//! The way of people: drafts, keys behind passphrases, signatures made by other programs, and what they are told.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use hsm_bridge::testing::SOFTHSM_MODULE;
use hsm_bridge::{KeyAlgorithm, KeyStore};

use crate::stage::{Stage, id_of, label, run};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned()
}

fn admin(stage: &Stage, arguments: &[&str]) -> Output {
    stage.house.run("admin", arguments)
}

fn succeeds(stage: &Stage, arguments: &[&str]) -> String {
    let output = admin(stage, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    said(&output)
}

/// Signs with an encrypted key whose passphrase comes from a file descriptor.
fn approve(stage: &Stage, name: &str, key: &str, passphrase: &str) -> Output {
    let line = r#"exec "$0" admin approve --name "$1" --key "$2" --passphrase-fd 3 3<"$3""#;
    fs::write(
        stage.house.path("passphrase"),
        format!("{passphrase}\nnot of it"),
    )
    .unwrap();
    Command::new("sh")
        .args([
            "-c",
            line,
            env!("CARGO_BIN_EXE_hsm-bridge"),
            name,
            key,
            "passphrase",
        ])
        .current_dir(folder(stage))
        .output()
        .unwrap()
}

fn folder(stage: &Stage) -> PathBuf {
    stage.house.path("")
}

#[test]
fn three_persons_at_three_machines_order_a_key() {
    let stage = Stage::build();
    let daemon = stage.house.serve();
    drop(stage.house.client("ca"));
    let folder = folder(&stage);
    let pem = |name: &str| stage.key(name).private_key_to_pem_pkcs8().unwrap();
    // sok: a key that a passphrase opens. dara (Ed25519) and bopha (P-256): signatures of the openssl command.
    let cipher = openssl::symm::Cipher::aes_256_cbc();
    let closed = stage
        .key("sok")
        .private_key_to_pem_pkcs8_passphrase(cipher, b"correct horse")
        .unwrap();
    fs::write(stage.house.path("sok.pem"), closed).unwrap();
    fs::write(stage.house.path("open.pem"), pem("sok")).unwrap();
    fs::write(stage.house.path("dara.pem"), pem("dara")).unwrap();
    fs::write(stage.house.path("bopha.pem"), pem("bopha")).unwrap();

    let drafted = succeeds(
        &stage,
        &[
            "draft",
            "--author",
            "sok",
            "--hours",
            "2",
            "generate",
            "--label",
            "sign/one",
            "--algorithm",
            "p256",
        ],
    );
    assert!(
        drafted.contains("MAKE a p256 key pair sign/one") && drafted.contains("two other"),
        "{drafted}"
    );
    assert!(
        !admin(
            &stage,
            &["draft", "--author", "sok", "attest", "--label", "a"]
        )
        .status
        .success(),
        "an order is not written over"
    );

    let wrong = approve(&stage, "sok", "sok.pem", "wrong");
    assert!(
        said(&wrong).contains("does not open with this passphrase"),
        "{}",
        said(&wrong)
    );
    let open = approve(&stage, "sok", "open.pem", "");
    assert!(
        said(&open).contains("not protected by a passphrase"),
        "{}",
        said(&open)
    );
    let signed = approve(&stage, "sok", "sok.pem", "correct horse");
    assert!(
        signed.status.success() && said(&signed).contains("MAKE a p256"),
        "{}",
        said(&signed)
    );
    let twice = approve(&stage, "sok", "sok.pem", "correct horse");
    assert!(
        said(&twice).contains("signed this order already"),
        "{}",
        said(&twice)
    );

    run(
        &folder,
        "openssl",
        &[
            "pkeyutl",
            "-sign",
            "-rawin",
            "-inkey",
            "dara.pem",
            "-in",
            "order.json",
            "-out",
            "dara.sig",
        ],
    );
    run(
        &folder,
        "openssl",
        &[
            "dgst",
            "-sha256",
            "-sign",
            "bopha.pem",
            "-out",
            "bopha.sig",
            "order.json",
        ],
    );
    let mixed = admin(
        &stage,
        &[
            "approve",
            "--name",
            "dara",
            "--signature",
            "bopha.sig",
            "--public-key",
            "dara.pub",
        ],
    );
    assert!(
        said(&mixed).contains("not one of this key"),
        "{}",
        said(&mixed)
    );
    succeeds(
        &stage,
        &[
            "approve",
            "--name",
            "dara",
            "--signature",
            "dara.sig",
            "--public-key",
            "dara.pub",
        ],
    );

    let shown = admin(&stage, &["show", "--config", "romduol.toml"]);
    assert!(
        !shown.status.success()
            && said(&shown).contains("signed by dara\nthe bridge will not carry it out: 2 persons"),
        "{}",
        said(&shown)
    );
    let early = admin(&stage, &["submit"]);
    assert!(
        said(&early).contains("2 persons other than its author"),
        "{}",
        said(&early)
    );
    succeeds(
        &stage,
        &[
            "approve",
            "--name",
            "bopha",
            "--signature",
            "bopha.sig",
            "--public-key",
            "bopha.pub",
        ],
    );
    succeeds(&stage, &["show", "--config", "romduol.toml"]);

    let submitted = stage
        .house
        .run("admin", &["submit", "--public-key-out", "one.pem"]);
    assert!(submitted.status.success(), "{}", said(&submitted));
    let report: serde_json::Value = serde_json::from_slice(&submitted.stdout).unwrap();
    stage.signs(id_of(&report)).unwrap();
    let public = run(
        &folder,
        "openssl",
        &["pkey", "-pubin", "-in", "one.pem", "-noout", "-text"],
    );
    assert!(public.contains("P-256"), "{public}");
    let again = admin(&stage, &["submit"]);
    assert!(said(&again).contains("used already"), "{}", said(&again));
    assert_eq!(daemon.stop(), Some(0));
    let gone = admin(&stage, &["submit"]);
    assert_eq!(gone.status.code(), Some(69), "{}", said(&gone));
}

#[test]
fn a_key_of_openssl_comes_in_by_way_of_the_command_line() {
    let stage = Stage::build();
    let _daemon = stage.house.serve();
    drop(stage.house.client("ca"));
    let folder = folder(&stage);
    let by_order = |file: &str, more: &[&str], submit: &[&str]| {
        let draft = ["draft", "--author", "vanna", "--out", file];
        succeeds(&stage, &[&draft, more].concat());
        for name in ["vanna", "bopha", "sok"] {
            let key = format!("{name}.key");
            fs::write(
                stage.house.path(&key),
                stage.key(name).private_key_to_pem_pkcs8().unwrap(),
            )
            .unwrap();
            run(
                &folder,
                "openssl",
                &["dgst", "-sha256", "-sign", &key, "-out", "signature", file],
            );
            let public = format!("{name}.pub");
            succeeds(
                &stage,
                &[
                    "approve",
                    file,
                    "--name",
                    name,
                    "--signature",
                    "signature",
                    "--public-key",
                    &public,
                ],
            );
        }
        succeeds(&stage, &[&["submit", file], submit].concat())
    };
    by_order(
        "transport.json",
        &["make-transport-key", "--label", "transport/g1"],
        &["--public-key-out", "transport.pem"],
    );
    run(
        &folder,
        "openssl",
        &[
            "genpkey",
            "-algorithm",
            "EC",
            "-pkeyopt",
            "ec_paramgen_curve:P-384",
            "-out",
            "root.pem",
        ],
    );
    let wrap = [
        "wrap",
        "--key",
        "root.pem",
        "--transport-key",
        "transport.pem",
        "--out",
        "root.wrapped",
        "--public-key-out",
        "root.pub",
    ];
    succeeds(&stage, &wrap);
    let import = [
        "import",
        "--label",
        "sign/root",
        "--wrapped",
        "root.wrapped",
        "--public-key",
        "root.pub",
        "--transport-key",
        "transport/g1",
    ];
    by_order("import.json", &import, &[]);
    let ca = stage.house.client("ca");
    let id = ca.find(&label("sign/root")).unwrap().unwrap();
    let signer = ca.signer(id, None).unwrap();
    fs::write(
        stage.house.path("signature"),
        signer.sign(b"judged by openssl").unwrap(),
    )
    .unwrap();
    fs::write(stage.house.path("message"), b"judged by openssl").unwrap();
    run(
        &folder,
        "openssl",
        &[
            "dgst",
            "-sha384",
            "-verify",
            "root.pub",
            "-signature",
            "signature",
            "message",
        ],
    );
    assert_eq!(ca.describe(id).unwrap().algorithm, KeyAlgorithm::P384);
}

#[test]
fn a_person_with_a_card_signs_as_well() {
    let stage = Stage::build();
    let folder = folder(&stage);
    stage.house.add_token("card");
    let pin = fs::read_to_string(stage.house.path("user.pin")).unwrap();
    let conf = format!(
        "SOFTHSM2_CONF={}",
        stage.house.path("softhsm2.conf").display()
    );
    let card = |arguments: &[&str]| {
        let login = [
            &conf,
            "pkcs11-tool",
            "--module",
            SOFTHSM_MODULE,
            "--token-label",
            "card",
            "--login",
            "--pin",
            pin.trim(),
        ];
        run(&folder, "env", &[&login, arguments].concat());
    };
    card(&[
        "--keypairgen",
        "--key-type",
        "EC:prime256v1",
        "--label",
        "bopha",
        "--id",
        "01",
    ]);
    card(&[
        "--read-object",
        "--type",
        "pubkey",
        "--label",
        "bopha",
        "-o",
        "bopha.der",
    ]);
    run(
        &folder,
        "openssl",
        &[
            "pkey",
            "-pubin",
            "-inform",
            "DER",
            "-in",
            "bopha.der",
            "-out",
            "bopha.pub",
        ],
    );
    let _daemon = stage.house.serve();
    drop(stage.house.client("ca"));
    succeeds(
        &stage,
        &[
            "draft",
            "--author",
            "sok",
            "attest",
            "--label",
            "bridge/audit/g1",
        ],
    );
    run(
        &folder,
        "openssl",
        &[
            "dgst",
            "-sha256",
            "-binary",
            "-out",
            "order.hash",
            "order.json",
        ],
    );
    card(&[
        "--sign",
        "-m",
        "ECDSA",
        "--signature-format",
        "openssl",
        "--label",
        "bopha",
        "-i",
        "order.hash",
        "-o",
        "bopha.sig",
    ]);
    succeeds(
        &stage,
        &[
            "approve",
            "--name",
            "bopha",
            "--signature",
            "bopha.sig",
            "--public-key",
            "bopha.pub",
        ],
    );
    for name in ["sok", "vanna"] {
        let key = format!("{name}.key");
        fs::write(
            stage.house.path(&key),
            stage.key(name).private_key_to_pem_pkcs8().unwrap(),
        )
        .unwrap();
        run(
            &folder,
            "openssl",
            &[
                "dgst",
                "-sha256",
                "-sign",
                &key,
                "-out",
                "signature",
                "order.json",
            ],
        );
        let public = format!("{name}.pub");
        succeeds(
            &stage,
            &[
                "approve",
                "--name",
                name,
                "--signature",
                "signature",
                "--public-key",
                &public,
            ],
        );
    }
    assert!(succeeds(&stage, &["submit"]).contains("attestation"));
}
