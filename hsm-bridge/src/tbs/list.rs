//! TBSCertList (RFC 5280 §5.1.2), as a stream.

use std::time::SystemTime;

use der::asn1::AnyRef;
use der::{Decode, ErrorKind, Header, Reader, SliceReader, Tag};

use super::list_parts::{Hasher, check_entry, read_extensions};
use super::rules::check_times;
use super::{CertListRules, IssuerPin, Signing, TbsError, fields};
use crate::SignatureScheme;
use crate::scheme::Digest;

/// Octets of a value's tag and length at most, for lengths of 32 bits.
const MAX_HEADER: usize = 6;

/// `INTEGER 1`: v2.
const VERSION_2: [u8; 3] = [0x02, 0x01, 0x01];

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Outer,
    Version,
    Algorithm,
    Issuer,
    ThisUpdate,
    NextUpdate,
    EntriesOrExtensions,
    Entry,
    Extensions,
    Nothing,
}

impl Step {
    /// The longest value that is gathered for this step; what is longer is refused before it is read.
    const fn limit(self) -> usize {
        match self {
            Self::Outer | Self::Version => 16,
            Self::ThisUpdate | Self::NextUpdate => 32,
            Self::Algorithm => 256,
            Self::Entry => 1024,
            Self::Issuer | Self::EntriesOrExtensions | Self::Extensions | Self::Nothing => {
                16 * 1024
            }
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Outer => "outermost value",
            Self::Version => "version",
            Self::Algorithm => "algorithm",
            Self::Issuer => "issuer",
            Self::ThisUpdate => "thisUpdate",
            Self::NextUpdate => "nextUpdate",
            Self::EntriesOrExtensions => "revokedCertificates",
            Self::Entry => "entry",
            Self::Extensions => "crlExtensions",
            Self::Nothing => "end",
        }
    }
}

/// What a list that passed says, for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertListFacts {
    /// Content octets of cRLNumber.
    pub number: Vec<u8>,
    /// thisUpdate.
    pub this_update: SystemTime,
    /// nextUpdate.
    pub next_update: SystemTime,
    /// How many certificates it revokes.
    pub entries: u64,
}

/// A list that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedList {
    /// The digest that the scheme signs; `None` for Ed25519, which signs the message itself.
    pub digest: Option<Digest>,
    /// What the list says.
    pub facts: CertListFacts,
}

/// Checks a list in chunks of any size, in memory that does not grow with it. The verdict does not depend on how it was cut.
#[derive(Debug)]
pub struct CertListChecker {
    rules: CertListRules,
    scheme: SignatureScheme,
    now: SystemTime,
    announced: u64,
    next: Step,
    /// Octets of the outermost value still to come.
    left: u64,
    /// Octets of revokedCertificates still to come.
    entries_left: u64,
    carry: Vec<u8>,
    hasher: Hasher,
    facts: CertListFacts,
    failed: Option<TbsError>,
}

impl CertListChecker {
    /// Begins a list of `announced` octets.
    pub fn new(
        rules: &CertListRules,
        signing: &Signing<'_>,
        announced: u64,
    ) -> Result<Self, TbsError> {
        if announced > rules.largest {
            return Err(TbsError::TooLong("list"));
        }
        Ok(Self {
            rules: rules.clone(),
            scheme: signing.scheme,
            now: signing.now,
            announced,
            next: Step::Outer,
            left: 0,
            entries_left: 0,
            carry: Vec::new(),
            hasher: Hasher::of(signing.scheme),
            facts: CertListFacts {
                number: Vec::new(),
                this_update: signing.now,
                next_update: signing.now,
                entries: 0,
            },
            failed: None,
        })
    }

    /// Takes the next octets; after a refusal every further call repeats it.
    pub fn update(&mut self, chunk: &[u8]) -> Result<(), TbsError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.hasher.update(chunk);
        self.consume(chunk).inspect_err(|error| {
            self.failed = Some(*error);
            self.carry = Vec::new();
        })
    }

    /// Ends the list and gives what is to be signed.
    pub fn finish(self) -> Result<CheckedList, TbsError> {
        match self.failed {
            Some(error) => Err(error),
            None if self.next == Step::Nothing => Ok(CheckedList {
                digest: self.hasher.finish(),
                facts: self.facts,
            }),
            None => Err(TbsError::Truncated),
        }
    }

    /// Whole values are read where they lie; only one that a chunk's end cuts is gathered.
    fn consume(&mut self, mut chunk: &[u8]) -> Result<(), TbsError> {
        while !chunk.is_empty() {
            if self.carry.is_empty() {
                let measured = self.measure(chunk)?;
                let Some((value, rest)) = measured.and_then(|n| chunk.split_at_checked(n)) else {
                    self.carry.extend_from_slice(chunk);
                    return Ok(());
                };
                self.take(value)?;
                chunk = rest;
                continue;
            }
            // An octet at a time until the length is known, then all that is missing.
            let missing = match self.measure(&self.carry)? {
                Some(length) => length.saturating_sub(self.carry.len()),
                None => 1,
            };
            let (more, rest) = chunk.split_at(missing.min(chunk.len()));
            self.carry.extend_from_slice(more);
            chunk = rest;
            if self.measure(&self.carry)? == Some(self.carry.len()) {
                let mut value = std::mem::take(&mut self.carry);
                self.take(&value)?;
                value.clear();
                self.carry = value;
            }
        }
        Ok(())
    }

    /// How many octets the next step needs, once that can be told: a whole value, or the header alone of one that is entered.
    fn measure(&self, bytes: &[u8]) -> Result<Option<usize>, TbsError> {
        if self.next == Step::Nothing {
            return Err(TbsError::Length);
        }
        let malformed = TbsError::Malformed(self.next.name());
        let head = bytes.get(..MAX_HEADER).unwrap_or(bytes);
        let mut reader = SliceReader::new(head).map_err(|_| malformed)?;
        let header = match Header::decode(&mut reader) {
            Ok(header) => header,
            Err(error) if matches!(error.kind(), ErrorKind::Incomplete { .. }) => return Ok(None),
            Err(_) => return Err(malformed),
        };
        let before = u64::from(u32::from(reader.position()));
        let content = u64::from(u32::from(header.length()));
        let whole = before.saturating_add(content);
        let room = match self.next {
            Step::Outer => self.announced,
            Step::Entry => self.entries_left,
            _ => self.left,
        };
        if self.next == Step::Outer && whole != room {
            return Err(TbsError::Length);
        }
        if whole > room {
            return Err(malformed);
        }
        let entered = self.next == Step::Outer
            || (self.next == Step::EntriesOrExtensions && header.tag() == Tag::Sequence);
        let needed = if entered { before } else { whole };
        match usize::try_from(needed) {
            Ok(needed) if needed <= self.next.limit() => Ok(Some(needed)),
            _ => Err(TbsError::TooLong(self.next.name())),
        }
    }

    /// Reads what [`Self::measure`] measured.
    fn take(&mut self, value: &[u8]) -> Result<(), TbsError> {
        let length = u64::try_from(value.len()).unwrap_or(u64::MAX);
        self.left = self.left.saturating_sub(length);
        self.entries_left = self.entries_left.saturating_sub(length);
        let any = || AnyRef::from_der(value).map_err(|_| TbsError::Malformed(self.next.name()));
        self.next = match self.next {
            Step::Outer => {
                if value.first() != Some(&0x30) {
                    return Err(TbsError::Malformed(self.next.name()));
                }
                self.left = self.announced.saturating_sub(length);
                Step::Version
            }
            Step::Version => {
                if value != VERSION_2 {
                    return Err(TbsError::Version);
                }
                Step::Algorithm
            }
            Step::Algorithm => {
                fields::algorithm(any()?, self.scheme)?;
                Step::Issuer
            }
            Step::Issuer => {
                fields::name(value)?;
                IssuerPin::check(self.rules.issuer.as_ref(), value)?;
                Step::ThisUpdate
            }
            Step::ThisUpdate => {
                self.facts.this_update = fields::time(any()?)?;
                Step::NextUpdate
            }
            Step::NextUpdate => {
                self.facts.next_update = fields::time(any()?)?;
                check_times(
                    (self.facts.this_update, self.facts.next_update),
                    (self.rules.longest, self.rules.drift),
                    self.now,
                )?;
                Step::EntriesOrExtensions
            }
            Step::EntriesOrExtensions if value.first() == Some(&0x30) => self.enter(value)?,
            Step::EntriesOrExtensions | Step::Extensions => {
                self.facts.number = read_extensions(any()?)?;
                Step::Nothing
            }
            Step::Entry => {
                check_entry(any()?)?;
                self.facts.entries += 1;
                if self.entries_left == 0 {
                    Step::Extensions
                } else {
                    Step::Entry
                }
            }
            Step::Nothing => return Err(TbsError::Length),
        };
        match (self.next, self.left) {
            (Step::Nothing, 0) => Ok(()),
            (Step::Nothing, _) => Err(TbsError::Malformed("after crlExtensions")),
            (Step::EntriesOrExtensions | Step::Extensions, 0) => {
                Err(TbsError::Missing("crlExtensions"))
            }
            (next, 0) => Err(TbsError::Malformed(next.name())),
            _ => Ok(()),
        }
    }

    /// Enters revokedCertificates, which is left out when it would be empty (RFC 5280 §5.1.2.6).
    fn enter(&mut self, header: &[u8]) -> Result<Step, TbsError> {
        let wrong = TbsError::Malformed(Step::EntriesOrExtensions.name());
        let mut reader = SliceReader::new(header).map_err(|_| wrong)?;
        let length = Header::decode(&mut reader).map_err(|_| wrong)?.length();
        if length.is_zero() {
            return Err(wrong);
        }
        self.entries_left = u64::from(u32::from(length));
        Ok(Step::Entry)
    }
}

/// Checks a list that is at hand as a whole.
pub fn check_cert_list(
    tbs: &[u8],
    rules: &CertListRules,
    signing: &Signing<'_>,
) -> Result<CheckedList, TbsError> {
    let announced = u64::try_from(tbs.len()).unwrap_or(u64::MAX);
    let mut checker = CertListChecker::new(rules, signing, announced)?;
    checker.update(tbs)?;
    checker.finish()
}
