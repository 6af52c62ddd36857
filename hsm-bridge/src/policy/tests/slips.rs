//! Files that are not understood grant nothing, and say where they went wrong.

use proptest::prelude::*;

use super::super::{MAX_BYTES, Pattern};
use super::*;

const GRANT: &str = "[[grant]]\ncaller = \"a\"\nkeys = \"a/b\"\noperations = [\"sign\"]\n";
const KEY: &str = "[[key]]\nkeys = \"a/b\"\n";

#[test]
fn slips_are_refused_with_line_and_word() {
    for (text, line, word) in [
        ("[[grants]]\ncaller = \"a\"".to_owned(), 1, "grants"),
        (GRANT.replace("a/b", "*"), 3, "'*'"),
        (GRANT.replace("a/b", "a*"), 3, "'a*'"),
        (GRANT.replace("a/b", "a/*/b"), 3, "'a/*/b'"),
        (GRANT.replace("sign", "all"), 4, "all"),
        (GRANT.replace("\"sign\"", ""), 4, "operations"),
        (GRANT.replace("\"a\"", "\"\""), 2, "caller"),
        (format!("{GRANT}rate = 0"), 5, "0"),
        (format!("{GRANT}rate = -1"), 5, "-1"),
        (format!("{GRANT}per_day = 0"), 5, "0"),
        (format!("{GRANT}only = true"), 5, "only"),
        (format!("{GRANT}window = \"8-17\""), 5, "'8-17'"),
        (format!("{GRANT}window = \"08:00-08:00\""), 5, "08:00-08:00"),
        (format!("{GRANT}window = \"24:00-08:00\""), 5, "24:00-08:00"),
        (format!("{GRANT}window = \"08:00-24:01\""), 5, "08:00-24:01"),
        (format!("{GRANT}window = \"08:60-09:00\""), 5, "08:60-09:00"),
        (format!("{GRANT}window = \"+8:00-09:00\""), 5, "+8:00-09:00"),
        (format!("{GRANT}digests = [\"md5\"]"), 5, "md5"),
        (format!("{GRANT}digests = []"), 5, "digests"),
        (
            GRANT.replace("sign", "hmac") + "digests = [\"sha256\"]",
            5,
            "digests",
        ),
        (format!("{KEY}{KEY}"), 4, "already"),
        (format!("{KEY}proof = \"none\""), 3, "none"),
        (format!("{KEY}verify = \"yes\""), 3, "yes"),
        (format!("{KEY}durable = 1"), 3, "1"),
        (format!("{KEY}tier = \"embedded\""), 3, "embedded"),
        (
            format!("{KEY}signs = [\"certificate-list\"]\ntier = \"sealed\""),
            4,
            "stays in the token",
        ),
        (GRANT.replace("a/b", "bridge/*"), 3, "bridge's own"),
        (GRANT.replace("a/b", "bridge/sealed/g1"), 3, "bridge's own"),
        (format!("{KEY}signs = []"), 3, "signs"),
        (
            format!("{KEY}signs = [\"certificates\"]"),
            3,
            "certificates",
        ),
        (
            format!("{KEY}signs = [\"certificate\"]"),
            3,
            "key.certificate",
        ),
        (format!("{KEY}issuer_sha256 = \"00\""), 3, "signs"),
        (
            format!("{KEY}[key.certificate]\nlongest_days = 1"),
            3,
            "signs",
        ),
        (
            format!("{KEY}signs = [\"certificate-list\"]\nverify = false"),
            4,
            "verify",
        ),
        (
            format!("{KEY}signs = [\"certificate-list\"]\nissuer_sha256 = \"00\""),
            4,
            "issuer_sha256",
        ),
        (
            format!("{KEY}signs = [\"certificate-list\"]\nissuer_certificate = \"x\""),
            4,
            "issuer_certificate",
        ),
        (
            format!("{KEY}signs = [\"certificate-list\"]\n[key.certificate]\nlongest_days = 1"),
            4,
            "certificate",
        ),
        (
            format!(
                "{KEY}signs = [\"certificate-list\"]\n[key.certificate_list]\nlongest_days = 1"
            ),
            5,
            "longest_days",
        ),
    ] {
        let error = Policy::parse(&text).unwrap_err();
        assert!(
            error.starts_with(&format!("line {line}: ")) && error.contains(word),
            "{text}\n{error}"
        );
        assert!(!error.contains('\n'), "{error}");
    }
    assert!(Policy::parse("").unwrap().callers().next().is_none());
}

#[test]
fn a_file_that_no_worker_would_get_whole_is_refused_by_its_length() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.toml");
    let load = |bytes: usize| {
        let comment = "#".repeat(bytes - GRANT.len());
        std::fs::write(&file, format!("{GRANT}{comment}")).unwrap();
        Policy::load(&file)
    };
    assert!(load(MAX_BYTES).unwrap().knows("a"));
    let refused = load(MAX_BYTES + 1).unwrap_err().to_string();
    assert!(refused.contains("at most 131072"), "{refused}");
}

#[test]
fn slips_in_the_bounds_of_certificates_are_refused() {
    let start = format!("{KEY}signs = [\"certificate\"]\n[key.certificate]\n");
    for (words, word) in [
        ("", "longest_days"),
        ("longest_days = 0", "0"),
        ("longest_days = 1\nserial_octets = [9, 8]", "serial_octets"),
        ("longest_days = 1\nserial_octets = [8, 21]", "serial_octets"),
        ("longest_days = 1\nserial_octets = [0, 8]", "serial_octets"),
        (
            "longest_days = 1\nextended_key_usage = []",
            "extended_key_usage",
        ),
        (
            "longest_days = 1\nextended_key_usage = [\"clients\"]",
            "'clients'",
        ),
        ("longest_days = 1\nnot_after = 2036-01-01", "not_after"),
        (
            "longest_days = 1\nnot_after = 2036-01-01T00:00:00+07:00",
            "not_after",
        ),
        ("longest_days = 1\npath_length = 256", "256"),
        ("longest_days = 1\nca = true", "ca"),
    ] {
        let error = Policy::parse(&format!("{start}{words}")).unwrap_err();
        assert!(error.contains(word), "{words}\n{error}");
    }
}

proptest! {
    #[test]
    fn parsing_never_panics(text in ".{0,300}") {
        let _ = Policy::parse(&text);
        let _ = Pattern::try_from(text);
    }

    /// Words that belong into a policy, in any order: what parses still grants no caller but the written one.
    #[test]
    fn words_in_disorder_grant_nothing_else(picks in proptest::collection::vec(0usize..22, 1..24)) {
        const WORDS: [&str; 22] = [
            "[[grant]]", "[[key]]", "[key.certificate]", "[key.certificate_list]", "caller = \"a\"", "caller = \"\"",
            "keys = \"a/*\"", "keys = \"a/b\"", "operations = [\"sign\"]", "operations = []", "rate = 3", "per_day = 7",
            "window = \"22:00-06:00\"", "digests = [\"sha256\"]", "signs = [\"certificate\"]", "proof = \"activation\"",
            "verify = false", "durable = true", "longest_days = 3", "path_length = 0", "not_after = 2036-01-01T00:00:00Z",
            "critical = [\"id-ce-keyUsage\"]",
        ];
        let text: Vec<&str> = picks.iter().map(|pick| WORDS[*pick]).collect();
        if let Ok(policy) = Policy::parse(&text.join("\n")) {
            let now = now(Instant::now(), 0);
            prop_assert!(ask(&policy, ("b", Operation::Sign, "a/b"), now).is_err());
            prop_assert!(ask(&policy, ("a", Operation::Hmac, "a/b"), now).is_err());
            prop_assert!(ask(&policy, ("a", Operation::Sign, "c/b"), now).is_err());
        }
    }

    #[test]
    fn a_prefix_covers_exactly_what_lies_below_it(prefix in "[a-z]{1,4}(/[a-z]{1,3}){0,2}", other in "[a-z]{1,4}(/[a-z]{1,3}){0,4}") {
        let pattern = Pattern::try_from(format!("{prefix}/*")).unwrap();
        let segments = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
        let (above, below) = (segments(&prefix), segments(&other));
        let expected = below.len() > above.len() && below[..above.len()] == above[..];
        prop_assert_eq!(pattern.covers(&label(&other)), expected);
    }
}
