//! One line of the log, as it is written and as it is read. There is one way to write an entry, so a line that reads well but is
//! written otherwise was not written by the bridge.

use std::borrow::Cow;
use std::fmt;
use std::io::Write as _;

use serde::Deserialize;

/// What a line tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(try_from = "&str")]
pub enum Event {
    /// The log was made; the first line, which names it.
    Created,
    /// The bridge began to serve.
    Started,
    /// The bridge came to an orderly end.
    Stopped,
    /// A half-written line was found after a crash and moved aside.
    Torn,
    /// The head of the log was signed.
    Checkpoint,
    /// A key is about to be used.
    Intent,
    /// A key was used, or its use was refused or failed.
    #[default]
    Used,
    /// An operator decided something.
    Operator,
}

impl Event {
    const ALL: [Self; 8] = [
        Self::Created,
        Self::Started,
        Self::Stopped,
        Self::Torn,
        Self::Checkpoint,
        Self::Intent,
        Self::Used,
        Self::Operator,
    ];

    /// The event's name in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "bridge.created",
            Self::Started => "bridge.started",
            Self::Stopped => "bridge.stopped",
            Self::Torn => "bridge.torn",
            Self::Checkpoint => "bridge.checkpoint",
            Self::Intent => "bridge.key.intent",
            Self::Used => "bridge.key.used",
            Self::Operator => "bridge.operator",
        }
    }
}

impl TryFrom<&str> for Event {
    type Error = &'static str;

    fn try_from(name: &str) -> Result<Self, Self::Error> {
        Self::ALL
            .into_iter()
            .find(|event| event.name() == name)
            .ok_or("an unknown event")
    }
}

/// Text that may hold characters which JSON escapes; borrowed from the line where it holds none.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Text<'_> {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A line; its fields are written in this order, absent ones not at all. Bytes are lower-case hexadecimal digits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry<'a> {
    /// The line's number in the log, from 1.
    pub sequence: u64,
    /// When, in microseconds since 1970, as the bridge's clock said.
    pub at_us: u64,
    /// What happened.
    pub event: Event,
    /// The log's name (created, checkpoint).
    pub log: Option<&'a str>,
    /// The version of this notation (created).
    pub format: Option<u64>,
    /// The service or the operator.
    #[serde(borrow)]
    pub caller: Option<Text<'a>>,
    /// What was asked for.
    #[serde(borrow)]
    pub operation: Option<Text<'a>>,
    /// Label of the key.
    pub key: Option<&'a str>,
    /// Id of the key.
    pub key_id: Option<&'a str>,
    /// The signature scheme, by its JOSE name (RFC 7518 §3.1).
    pub scheme: Option<&'a str>,
    /// Digest of what was signed or authenticated.
    pub digest: Option<&'a str>,
    /// Number of the intent that this use fulfils.
    pub intent: Option<u64>,
    /// The outcome, in one word.
    #[serde(borrow)]
    pub result: Option<Text<'a>>,
    /// How long it took, in microseconds.
    pub us: Option<u64>,
    /// A remark for people.
    #[serde(borrow)]
    pub detail: Option<Text<'a>>,
    /// Number of the last line that a checkpoint covers.
    pub through: Option<u64>,
    /// Hash of the last line that a checkpoint covers.
    pub head: Option<&'a str>,
    /// The checkpoint's signature.
    pub signature: Option<&'a str>,
    /// Length in bytes of what was moved aside.
    pub length: Option<u64>,
    /// SHA-256 of what was moved aside.
    pub hash: Option<&'a str>,
    /// Hash of the line before.
    pub prev: &'a str,
}

impl<'a> Entry<'a> {
    /// Reads a line, without its newline; `None` when it is not exactly what [`Entry::encode`] writes.
    pub(super) fn parse(line: &'a [u8], scratch: &mut Vec<u8>) -> Option<Self> {
        let entry: Self = serde_json::from_slice(line).ok()?;
        scratch.clear();
        entry.encode(scratch);
        (scratch.as_slice() == line).then_some(entry)
    }

    /// Appends the line, without a newline.
    pub(super) fn encode(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(b"{\"sequence\":");
        push_number(to, self.sequence);
        number(to, "at_us", Some(self.at_us));
        word(to, "event", Some(self.event.name()));
        word(to, "log", self.log);
        number(to, "format", self.format);
        text(to, "caller", self.caller.as_ref());
        text(to, "operation", self.operation.as_ref());
        word(to, "key", self.key);
        word(to, "key_id", self.key_id);
        word(to, "scheme", self.scheme);
        word(to, "digest", self.digest);
        number(to, "intent", self.intent);
        text(to, "result", self.result.as_ref());
        number(to, "us", self.us);
        text(to, "detail", self.detail.as_ref());
        number(to, "through", self.through);
        word(to, "head", self.head);
        word(to, "signature", self.signature);
        number(to, "length", self.length);
        word(to, "hash", self.hash);
        word(to, "prev", Some(self.prev));
        to.push(b'}');
    }
}

/// Begins a further field.
fn name(to: &mut Vec<u8>, name: &str) {
    to.extend_from_slice(b",\"");
    to.extend_from_slice(name.as_bytes());
    to.extend_from_slice(b"\":");
}

fn push_number(to: &mut Vec<u8>, value: u64) {
    // Writing to memory cannot fail.
    let _written = write!(to, "{value}");
}

fn number(to: &mut Vec<u8>, field: &str, value: Option<u64>) {
    if let Some(value) = value {
        name(to, field);
        push_number(to, value);
    }
}

/// Labels, digits and names: never in need of an escape where the bridge writes them, and safe where a reader hands them back.
fn word(to: &mut Vec<u8>, field: &str, value: Option<&str>) {
    if let Some(value) = value {
        name(to, field);
        push_text(to, value);
    }
}

fn text(to: &mut Vec<u8>, field: &str, value: Option<&Text<'_>>) {
    word(to, field, value.map(Text::as_str));
}

/// A JSON string (RFC 8259 §7); control characters are escaped by number, all else beyond quote and backslash stands for itself.
fn push_text(to: &mut Vec<u8>, text: &str) {
    to.push(b'"');
    if text.bytes().any(|c| c < 0x20 || c == b'"' || c == b'\\') {
        for c in text.bytes() {
            match c {
                b'"' | b'\\' => to.extend_from_slice(&[b'\\', c]),
                0..0x20 => {
                    to.extend_from_slice(b"\\u00");
                    super::hash::push_hex(to, &[c]);
                }
                _ => to.push(c),
            }
        }
    } else {
        to.extend_from_slice(text.as_bytes());
    }
    to.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn entries_survive_their_line(
            numbers: [u64; 4],
            event in proptest::sample::select(&Event::ALL),
            caller in proptest::option::of("\\PC{0,12}|[\\x00-\\x7f]{0,12}"),
            detail in proptest::option::of(".{0,40}"),
            key in proptest::option::of("[a-z/0-9.]{1,20}"),
            us: Option<u64>,
        ) {
            let entry = Entry {
                sequence: numbers[0],
                at_us: numbers[1],
                event,
                caller: caller.as_deref().map(Text::from),
                key: key.as_deref(),
                us,
                detail: detail.as_deref().map(Text::from),
                through: Some(numbers[2]),
                length: Some(numbers[3]),
                prev: "00ff",
                ..Entry::default()
            };
            let mut line = Vec::new();
            entry.encode(&mut line);
            prop_assert!(!line.contains(&b'\n'));
            prop_assert_eq!(Entry::parse(&line, &mut Vec::new()), Some(entry.clone()));
            let any: serde_json::Value = serde_json::from_slice(&line).unwrap();
            prop_assert_eq!(any.get("detail").and_then(|v| v.as_str()), detail.as_deref());
        }

        #[test]
        fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Entry::parse(&bytes, &mut Vec::new());
        }
    }

    #[test]
    fn a_line_of_the_same_meaning_written_otherwise_is_refused() {
        let line = r#"{"sequence":1,"at_us":2,"event":"bridge.stopped","prev":"00"}"#;
        let read = |line: &str| Entry::parse(line.as_bytes(), &mut Vec::new()).is_some();
        assert!(read(line));
        for other in [
            line.replace("\"sequence\":1,\"at_us\":2", "\"at_us\":2,\"sequence\":1"),
            line.replace(":2,", ": 2,"),
            line.replace("bridge", "\\u0062ridge"),
            line.replace("\"prev\"", "\"us\":null,\"prev\""),
            line.replace("\"prev\"", "\"other\":1,\"prev\""),
            line.replace("stopped", "mended"),
        ] {
            assert!(!read(&other), "{other}");
        }
    }
}
