//! The way of people: drafts, keys behind passphrases, signatures made by other programs, and what they are told.

use std::fs;
use std::process::{Command, Output};

use hsm_bridge::testing::SOFTHSM_MODULE;
use hsm_bridge::{KeyAlgorithm, KeyStore};

use crate::stage::{Stage, id_of, label, run};

/// The command line at one bridge; arguments are words of a line.
struct People(Stage);

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned()
}

impl People {
    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.0.house.path(name), content).unwrap();
    }

    fn admin(&self, line: &str) -> Output {
        let words: Vec<_> = line.split_whitespace().collect();
        self.0.house.run("admin", &words)
    }

    fn succeeds(&self, line: &str) -> String {
        let output = self.admin(line);
        assert!(output.status.success(), "{line}: {}", said(&output));
        said(&output)
    }

    fn fails(&self, line: &str, why: &str) {
        let output = self.admin(line);
        assert!(
            !output.status.success() && said(&output).contains(why),
            "{line}: {}",
            said(&output)
        );
    }

    /// Another program, which must succeed.
    fn run(&self, line: &str) -> String {
        let words: Vec<_> = line.split_whitespace().collect();
        let (program, arguments) = words.split_first().unwrap();
        run(&self.0.house.path(""), program, arguments)
    }

    /// Signs with an encrypted key whose passphrase comes from a file descriptor.
    fn approve(&self, name: &str, key: &str, passphrase: &str) -> (bool, String) {
        let line =
            r#"exec "$0" admin approve --name "$1" --key "$2" --passphrase-fd 3 3<passphrase"#;
        self.write("passphrase", format!("{passphrase}\nnot of it"));
        let output = Command::new("sh")
            .args(["-c", line, env!("CARGO_BIN_EXE_hsm-bridge"), name, key])
            .current_dir(self.0.house.path(""))
            .output()
            .unwrap();
        (output.status.success(), said(&output))
    }

    fn key_in_the_open(&self, name: &str) {
        let pem = self.0.key(name).private_key_to_pem_pkcs8().unwrap();
        self.write(&format!("{name}.key"), pem);
    }

    /// Signs with the openssl command and adds the signature.
    fn approve_elsewhere(&self, order: &str, names: &[&str]) {
        for name in names {
            self.key_in_the_open(name);
            self.run(&format!(
                "openssl dgst -sha256 -sign {name}.key -out {name}.sig {order}"
            ));
            self.add(order, name);
        }
    }

    fn add(&self, order: &str, name: &str) {
        self.succeeds(&format!(
            "approve {order} --name {name} --signature {name}.sig --public-key {name}.pub"
        ));
    }
}

#[test]
fn three_persons_at_three_machines_order_a_key() {
    let people = People(Stage::build());
    let daemon = people.0.house.serve();
    drop(people.0.house.client("ca"));
    let sok = people.0.key("sok");
    let cipher = openssl::symm::Cipher::aes_256_cbc();
    let closed = sok.private_key_to_pem_pkcs8_passphrase(cipher, b"correct horse");
    people.write("sok.pem", closed.unwrap());
    people.key_in_the_open("sok");

    let draft = "draft --author sok --hours 2 generate --label sign/one --algorithm p256";
    let drafted = people.succeeds(draft);
    assert!(
        drafted.contains("MAKE a p256 key pair sign/one") && drafted.contains("two other"),
        "{drafted}"
    );
    people.fails(draft, "File exists");

    let refused = |key: &str, passphrase: &str, why: &str| {
        let (signed, words) = people.approve("sok", key, passphrase);
        assert!(!signed && words.contains(why), "{words}");
    };
    refused("sok.pem", "wrong", "does not open with this passphrase");
    refused("sok.key", "", "not protected by a passphrase");
    let (signed, words) = people.approve("sok", "sok.pem", "correct horse");
    assert!(signed && words.contains("MAKE a p256"), "{words}");
    refused("sok.pem", "correct horse", "signed this order already");

    people.key_in_the_open("dara");
    people.run("openssl pkeyutl -sign -rawin -inkey dara.key -in order.json -out dara.sig");
    people.fails(
        "approve --name bopha --signature dara.sig --public-key bopha.pub",
        "not one of this key",
    );
    people.add("order.json", "dara");
    people.fails(
        "show --config romduol.toml",
        "signed by dara\nthe bridge will not carry it out: 2 persons",
    );
    people.fails("submit", "2 persons other than its author");
    people.approve_elsewhere("order.json", &["bopha"]);
    people.succeeds("show --config romduol.toml");

    let submitted = people.admin("submit --public-key-out one.pem");
    assert!(submitted.status.success(), "{}", said(&submitted));
    let report: serde_json::Value = serde_json::from_slice(&submitted.stdout).unwrap();
    people.0.signs(id_of(&report)).unwrap();
    let public = people.run("openssl pkey -pubin -in one.pem -noout -text");
    assert!(public.contains("P-256"), "{public}");
    people.fails("submit", "used already");
    assert_eq!(daemon.stop(), Some(0));
    assert_eq!(people.admin("submit").status.code(), Some(69));
}

#[test]
fn a_key_of_openssl_comes_in_by_way_of_the_command_line() {
    let people = People(Stage::build());
    let _daemon = people.0.house.serve();
    drop(people.0.house.client("ca"));
    let by_order = |file: &str, work: &str, submit: &str| {
        people.succeeds(&format!("draft --author vanna --out {file} {work}"));
        people.approve_elsewhere(file, &["vanna", "bopha", "sok"]);
        people.succeeds(&format!("submit {file} {submit}"));
    };
    by_order(
        "t.json",
        "make-transport-key --label transport/g1",
        "--public-key-out t.pem",
    );
    people.run("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out root.pem");
    people.succeeds(
        "wrap --key root.pem --transport-key t.pem --out root.wrapped --public-key-out root.pub",
    );
    let import = "import --label sign/root --wrapped root.wrapped --public-key root.pub --transport-key transport/g1";
    by_order("i.json", import, "");
    let ca = people.0.house.client("ca");
    let id = ca.find(&label("sign/root")).unwrap().unwrap();
    let signer = ca.signer(id, None).unwrap();
    people.write("signature", signer.sign(b"judged by openssl").unwrap());
    people.write("message", b"judged by openssl");
    people.run("openssl dgst -sha384 -verify root.pub -signature signature message");
    assert_eq!(ca.describe(id).unwrap().algorithm, KeyAlgorithm::P384);
}

#[test]
fn a_person_with_a_card_signs_as_well() {
    let people = People(Stage::build());
    let house = &people.0.house;
    house.add_token("card");
    let pin = fs::read_to_string(house.path("user.pin")).unwrap();
    let (pin, conf) = (pin.trim(), house.path("softhsm2.conf"));
    let conf = conf.display();
    let card = |work: &str| {
        people.run(&format!("env SOFTHSM2_CONF={conf} pkcs11-tool --module {SOFTHSM_MODULE} --token-label card --login --pin {pin} {work}"));
    };
    card("--keypairgen --key-type EC:prime256v1 --label bopha --id 01");
    card("--read-object --type pubkey --label bopha -o bopha.der");
    people.run("openssl pkey -pubin -inform DER -in bopha.der -out bopha.pub");
    let _daemon = house.serve();
    drop(house.client("ca"));
    people.succeeds("draft --author sok attest --label bridge/audit/g1");
    people.run("openssl dgst -sha256 -binary -out order.hash order.json");
    card("--sign -m ECDSA --signature-format openssl --label bopha -i order.hash -o bopha.sig");
    people.add("order.json", "bopha");
    people.approve_elsewhere("order.json", &["sok", "vanna"]);
    assert!(people.succeeds("submit").contains("attestation"));
}

#[test]
fn who_drafts_the_end_of_a_symmetric_key_says_what_is_lost_and_signers_read_it() {
    let people = People(Stage::build());
    let _daemon = people.0.house.serve();
    drop(people.0.house.client("ca"));
    let by_order = |file: &str, work: &str| {
        let drafted = people.succeeds(&format!("draft --author sok --out {file} {work}"));
        people.approve_elsewhere(file, &["sok", "bopha", "vanna"]);
        people.succeeds(&format!("submit {file}"));
        drafted
    };
    let kek = "--label idp/kek --purpose key-encryption";
    by_order("1.json", &format!("generate-secret {kek}"));
    let draft = format!("draft --author sok --out 2.json destroy-secret {kek}");
    people.fails(&draft, "can never be opened again");
    assert!(!people.0.house.path("2.json").exists());
    let said = by_order("3.json", &format!("retire-secret {kek}"));
    assert!(
        said.contains("RETIRE the symmetric key idp/kek: it wraps nothing more, and opens"),
        "{said}"
    );
    let said = by_order("4.json", &format!("restore-secret {kek}"));
    assert!(
        said.contains("RESTORE the retired symmetric key idp/kek: it wraps again"),
        "{said}"
    );
    by_order("5.json", &format!("retire-secret {kek}"));
    let said = by_order(
        "6.json",
        &format!("destroy-secret {kek} --loss-acknowledged"),
    );
    assert!(
        said.contains("EVERYTHING WRAPPED UNDER IT IS LOST"),
        "{said}"
    );
    let said = people.succeeds("show 6.json");
    assert!(
        said.contains("EVERYTHING WRAPPED UNDER IT IS LOST"),
        "{said}"
    );
    people.fails(
        "draft --author sok --out 7.json destroy-secret --label bridge/sealed/g1 --purpose key-encryption --loss-acknowledged",
        "none is lost by order",
    );
}
