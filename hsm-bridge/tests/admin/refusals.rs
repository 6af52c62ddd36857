//! What is not done: too few persons, the same ones, the wrong ones, the wrong order, the wrong door.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use hsm_bridge::admin::{Approval, Operation, Order, OrderId, sign};
use hsm_bridge::client::{Client, submit};
use hsm_bridge::{KeyAlgorithm, KeyId, KeyStore, KeyStoreError};

use crate::stage::{Stage, TOKEN, label, now, order, order_for, p256};

fn generate(name: &str) -> Operation {
    Operation::Generate {
        label: label(name),
        algorithm: KeyAlgorithm::P256,
    }
}

/// How many orders were used.
fn used(stage: &Stage) -> usize {
    fs::read_dir(stage.house.path("state/orders").join(TOKEN)).map_or(0, Iterator::count)
}

#[test]
fn nothing_is_done_without_the_author_and_two_others() {
    let stage = Stage::build();
    let daemon = stage.house.serve();
    let text = order(generate("sign/one"));
    let of = |names: &[&str]| stage.signed(&text, names);
    let stranger = Approval::new("dara", sign(&p256(), &text).unwrap()).unwrap();
    let nobody = Approval::new("mallory", sign(&p256(), &text).unwrap()).unwrap();
    let another = order(generate("sign/two"));
    let cases = [
        (of(&[]), "its author sok did not sign", "signed by nobody"),
        (
            of(&["sok"]),
            "2 persons other than its author",
            "signed by sok:",
        ),
        (
            of(&["sok", "dara"]),
            "2 persons other than its author",
            "signed by sok, dara:",
        ),
        (
            of(&["sok", "dara", "dara"]),
            "dara signed more than once",
            "signed by sok, dara:",
        ),
        (
            of(&["sok", "sok", "dara"]),
            "sok signed more than once",
            "signed by sok, dara:",
        ),
        (
            of(&["dara", "vanna", "bopha"]),
            "its author sok did not sign",
            "signed by dara, vanna, bopha:",
        ),
        (
            [of(&["sok", "vanna"]), vec![stranger]].concat(),
            "signature of dara does not verify",
            "signed by sok, vanna:",
        ),
        (
            [of(&["sok", "vanna"]), vec![nobody]].concat(),
            "mallory is no administrator",
            "signed by sok, vanna:",
        ),
        (
            stage.signed(&another, &["sok", "dara", "vanna"]),
            "signature of sok does not verify",
            "signed by nobody:",
        ),
    ];
    for (approvals, why, _) in &cases {
        let error = stage.submit(&text, approvals).unwrap_err();
        assert!(
            matches!(&error, KeyStoreError::BadRequest(text) if text.contains(why)),
            "{error}"
        );
    }
    assert_eq!(stage.house.client("ca").find(&label("sign/one")), Ok(None));
    assert_eq!(used(&stage), 0);
    // The same order, once enough have signed it.
    stage.submit(&text, &of(&["sok", "dara", "vanna"])).unwrap();
    assert_eq!(daemon.stop(), Some(0));
    let rows = stage.rows(TOKEN);
    assert_eq!(rows.len(), cases.len() + 2);
    // The first 20 bytes of SHA-256, in digits.
    let hash = KeyId::of_der(&text).to_string();
    for (row, (_, why, signed)) in rows.iter().zip(&cases) {
        let detail = row["detail"].as_str().unwrap();
        assert!(detail.contains(why) && detail.contains(signed), "{detail}");
        assert_eq!(row["result"], "not-permitted");
        assert_eq!(
            (&row["operation"], &row["caller"], &row["key"]),
            (&"order.generate".into(), &"sok".into(), &"sign/one".into())
        );
        assert!(row["digest"].as_str().unwrap().starts_with(&hash));
    }
}

#[test]
fn an_order_holds_for_its_bytes_its_token_and_its_time() {
    let stage = Stage::build();
    let daemon = stage.house.serve();
    let all = ["sok", "dara", "vanna"];
    let refused = |text: &[u8], approvals: &[Approval], why: &str| {
        let error = stage.submit(text, approvals).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    };
    let text = order(generate("sign/one"));
    let approvals = stage.signed(&text, &all);
    let bent = String::from_utf8(text.clone())
        .unwrap()
        .replace("sign/one", "sign/two");
    refused(bent.as_bytes(), &approvals, "does not verify");
    let timed = |from, seconds| {
        let id = OrderId::from_bytes([9; 16]);
        let order = Order::new(
            id,
            (TOKEN, "sok"),
            from,
            Duration::from_secs(seconds),
            generate("sign/one"),
        );
        order.unwrap().encode().unwrap()
    };
    let hour = Duration::from_hours(1);
    for (text, why) in [
        (timed(now() - hour, 3599), "it expired"),
        (timed(now() + hour, 60), "not valid before"),
        (order_for("other", generate("sign/one")), "no token 'other'"),
    ] {
        refused(&text, &stage.signed(&text, &all), why);
    }
    assert_eq!(stage.house.client("ca").find(&label("sign/one")), Ok(None));
    assert_eq!((used(&stage), daemon.stop()), (0, Some(0)));
}

#[test]
fn an_order_for_one_token_is_refused_by_the_other() {
    let module = std::path::Path::new(hsm_bridge::testing::SOFTHSM_MODULE);
    let tokens = [
        crate::stage::token(TOKEN, "house", module),
        crate::stage::token("spare", "spare", module),
    ];
    let stage = Stage::with(&tokens.concat());
    stage.house.add_token("spare");
    let _daemon = stage.house.serve();
    drop(stage.house.client("ca"));
    let text = order_for("spare", generate("sign/one"));
    let approvals = stage.signed(&text, &["sok", "dara", "vanna"]);
    // Attached to the one, and handed the order for the other.
    let mut stream = UnixStream::connect(stage.house.path("admin.sock")).unwrap();
    exchange(&mut stream, &attach_token(TOKEN));
    let reply = exchange(&mut stream, &order_request(&text, &approvals));
    assert_eq!(reply[9], 137, "{}", String::from_utf8_lossy(&reply));
    assert!(String::from_utf8_lossy(&reply).contains("it is for the token 'spare'"));
    stage.submit(&text, &approvals).unwrap();
}

#[test]
fn an_order_is_used_once_also_after_kill_9() {
    let stage = Stage::build();
    let daemon = stage.house.serve();
    let text = order(Operation::Attest {
        label: label("bridge/audit/g1"),
    });
    let approvals = stage.signed(&text, &["sok", "dara", "vanna"]);
    stage.submit(&text, &approvals).unwrap();
    let again = |who: &[&str]| {
        stage
            .submit(&text, &stage.signed(&text, who))
            .unwrap_err()
            .to_string()
    };
    assert!(again(&["sok", "dara", "vanna"]).contains("used already"));
    daemon.kill();
    let daemon = stage.house.serve();
    assert!(again(&["sok", "vanna", "bopha"]).contains("used already"));
    assert_eq!(daemon.stop(), Some(0));
    let rows = stage.rows(TOKEN);
    let done: Vec<_> = rows.iter().filter(|row| row["result"] == "done").collect();
    assert_eq!((done.len(), rows.len()), (1, 4));
}

#[test]
fn of_two_racing_approvals_one_wins_and_both_are_written_down() {
    let stage = Stage::build();
    let daemon = stage.house.serve();
    let text = order(generate("sign/one"));
    let pairs = [
        stage.signed(&text, &["sok", "dara", "vanna"]),
        stage.signed(&text, &["sok", "bopha", "dara"]),
    ];
    drop(stage.house.client("ca"));
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = pairs
            .iter()
            .map(|pair| scope.spawn(|| stage.submit(&text, pair)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let lost = outcomes
        .iter()
        .find_map(|outcome| outcome.as_ref().err())
        .unwrap()
        .to_string();
    assert!(won == 1 && lost.contains("used already"), "{outcomes:?}");
    assert_eq!(daemon.stop(), Some(0));
    let rows = stage.rows(TOKEN);
    let details: Vec<_> = rows
        .iter()
        .map(|row| row["detail"].as_str().unwrap().to_owned())
        .collect();
    for pair in ["dara, vanna", "bopha, dara"] {
        assert!(
            details.iter().any(|detail| detail.contains(pair)),
            "{details:?}"
        );
    }
    let results: Vec<_> = rows
        .iter()
        .filter_map(|row| row["result"].as_str())
        .collect();
    assert_eq!(
        results.iter().filter(|result| **result == "done").count(),
        1
    );
    assert_eq!(
        results
            .iter()
            .filter(|result| **result == "not-permitted")
            .count(),
        1
    );
}

/// A frame of a request: version, id, deadline and the rest, behind its length.
fn frame(rest: &[&[u8]]) -> Vec<u8> {
    let content = [
        &[2][..],
        &7_u64.to_be_bytes(),
        &9_000_u32.to_be_bytes(),
        &rest.concat(),
    ]
    .concat();
    [
        &u32::try_from(content.len()).unwrap().to_be_bytes()[..],
        &content,
    ]
    .concat()
}

fn bytes(content: &[u8]) -> Vec<u8> {
    [
        &u32::try_from(content.len()).unwrap().to_be_bytes()[..],
        content,
    ]
    .concat()
}

fn attach_token(name: &str) -> Vec<u8> {
    frame(&[&[11, 2], &bytes(name.as_bytes())])
}

fn order_request(order: &[u8], approvals: &[Approval]) -> Vec<u8> {
    let mut rest = [
        bytes(order),
        u32::try_from(approvals.len())
            .unwrap()
            .to_be_bytes()
            .to_vec(),
    ]
    .concat();
    for approval in approvals {
        rest.extend(bytes(approval.administrator.as_bytes()));
        rest.extend(bytes(approval.signature()));
    }
    frame(&[&[17], &rest])
}

/// Sends a frame and reads the content of the reply: version, id (8), status, text.
fn exchange(stream: &mut UnixStream, frame: &[u8]) -> Vec<u8> {
    stream.write_all(frame).unwrap();
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut content = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut content).unwrap();
    content
}

/// The status of `not permitted`.
const NOT_PERMITTED: u8 = 128;

#[test]
fn each_door_leads_to_its_own_room() {
    let stage = Stage::build();
    let daemon = stage.house.serve();
    let ca = stage.house.client("ca");
    let id = ca.generate(&label("sign/one"), KeyAlgorithm::P256).unwrap();
    let text = order(Operation::Destroy {
        label: label("sign/one"),
        id,
    });
    let approvals = stage.signed(&text, &["sok", "dara", "vanna"]);
    let connect = |door: &str| UnixStream::connect(stage.house.path(door)).unwrap();
    let destroy = frame(&[&[5], id.as_bytes()]);

    // An order at a service's door: neither as its first word, nor behind a greeting that fits.
    let refused = submit(
        &stage.house.path("ca.sock"),
        &text,
        &approvals,
        Duration::from_secs(5),
    );
    assert_eq!(refused, Err(KeyStoreError::NotPermitted));
    let mut stream = connect("ca.sock");
    assert_eq!(exchange(&mut stream, &frame(&[&[11, 1], &[0; 4]]))[9], 9);
    assert_eq!(
        exchange(&mut stream, &order_request(&text, &approvals))[9],
        NOT_PERMITTED
    );

    // A service's request at the administrators' door.
    let client = Client::connect(&stage.house.path("admin.sock"));
    assert!(matches!(client, Err(KeyStoreError::NotPermitted)));
    let sign = frame(&[&[6], id.as_bytes(), &[1, 0], &bytes(b"message")]);
    for request in [
        sign,
        destroy,
        frame(&[&[1]]),
        frame(&[&[4], &bytes(b"sign/two"), &[1]]),
    ] {
        let mut stream = connect("admin.sock");
        assert_eq!(exchange(&mut stream, &attach_token(TOKEN))[9], 9);
        assert_eq!(exchange(&mut stream, &request)[9], NOT_PERMITTED);
    }
    stage.signs(id).unwrap();
    assert_eq!(daemon.stop(), Some(0));
    let refused = |caller: &str, operation: &str| {
        let rows = stage.house.audit_of(TOKEN);
        rows.iter()
            .filter(|row| {
                row["caller"] == caller
                    && row["operation"] == operation
                    && row["result"] == "not-permitted"
            })
            .count()
    };
    assert_eq!(refused("ca", "order"), 1);
    assert_eq!(
        (
            refused("(administrators)", "sign"),
            refused("(administrators)", "destroy")
        ),
        (1, 1)
    );
}

#[test]
fn what_is_no_order_is_refused_and_written_down() {
    let stage = Stage::build();
    let daemon = stage.house.serve();
    drop(stage.house.client("ca"));
    let long = vec![b'x'; 300_000];
    for order in [&b"{}"[..], b"", &long] {
        let mut stream = UnixStream::connect(stage.house.path("admin.sock")).unwrap();
        exchange(&mut stream, &attach_token(TOKEN));
        let reply = exchange(&mut stream, &order_request(order, &[]));
        assert!(String::from_utf8_lossy(&reply).contains("this is no order"));
    }
    assert_eq!(daemon.stop(), Some(0));
    let rows = stage.rows(TOKEN);
    assert!(rows.len() == 3 && rows.iter().all(|row| row["result"] == "not-permitted"));
}

#[test]
fn without_administrators_there_is_no_door_for_them() {
    let stage = Stage::build();
    let file = stage.house.path("romduol.toml");
    let text = fs::read_to_string(&file).unwrap();
    let (before, _) = text.split_once("[bridge.admin]").unwrap();
    let said = |text: &str| {
        fs::write(&file, text).unwrap();
        let checked = stage.house.run("check", &["--config", "romduol.toml"]);
        let all = [checked.stdout, checked.stderr].concat();
        (checked.status.success(), String::from_utf8(all).unwrap())
    };
    let person = |name: &str, key: &str| {
        format!("[[bridge.administrator]]\nname = '{name}'\nkey = '{key}.pub'\n")
    };
    let door = "[bridge.admin]\npath = 'admin.sock'\n";
    let with = |persons: &[String]| [before, door, &persons.concat()].concat();
    let three = [
        person("sok", "sok"),
        person("dara", "dara"),
        person("vanna", "vanna"),
    ];
    assert!(said(&with(&three)).0);
    for (text, word) in [
        (with(&[]), "no [[bridge.administrator]]"),
        (
            [before, &three.concat()].concat(),
            "no socket for their orders",
        ),
        (with(&three[..2]), "an order needs its author and 2 others"),
        (
            with(&[three[0].clone(), three[1].clone(), person("vanna", "sok")]),
            "one key",
        ),
        (
            with(&[three[0].clone(), three[1].clone(), person("sok", "vanna")]),
            "names two",
        ),
        (
            with(&[
                three[0].clone(),
                three[1].clone(),
                person("vanna", "absent"),
            ]),
            "absent.pub",
        ),
        (
            with(&three).replace("path = 'admin.sock'", "path = 'ca.sock'"),
            "that of a service",
        ),
    ] {
        let (sound, words) = said(&text);
        assert!(!sound && words.contains(word), "{word}: {words}");
    }
    fs::write(&file, before).unwrap();
    let _daemon = stage.house.serve();
    drop(stage.house.client("ca"));
    assert!(!stage.house.path("admin.sock").exists());
}
