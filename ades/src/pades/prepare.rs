//! The first phase: an incremental update with an empty signature, and what the key must sign.

use hsm_bridge::SignatureScheme;
use jiff::Timestamp;
use pki::Certificate;
use pki::cms::{self, Content, DigestAlgorithm, ID_DATA};
use serde::{Deserialize, Serialize};

use super::document::Document;
use super::update::Update;
use super::{MAX_SIGNATURES, PadesError, Prepared, TIME_STAMP_BYTES, field, serialise, text};

/// Room for the three numbers of `/ByteRange` after the zero, ten digits each.
const BYTE_RANGE_CHARS: usize = 3 * 10 + 2;
/// Longest DER tag and length in front of a reserved time-stamp token.
const DER_HEADER_BYTES: usize = 5;

/// How far a signature goes (EN 319 142-1 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// The signature alone.
    BB,
    /// With a time-stamp over it; finishing without one is refused.
    BT,
}

/// What is signed how, and what the file says about it.
#[derive(Clone, Debug)]
pub struct SignOptions {
    /// Empty signature field to use, or name of a new one; none takes the next free name.
    pub field_name: Option<String>,
    /// `/Name`: who signs, as readers show it.
    pub signer_name: Option<String>,
    /// `/Reason`.
    pub reason: Option<String>,
    /// `/Location`.
    pub location: Option<String>,
    /// `/M`: the claimed time.
    pub signed_at: Timestamp,
    /// Whose key signs.
    pub certificate: Certificate,
    /// Further certificates towards the root.
    pub chain: Vec<Certificate>,
    /// How the key signs.
    pub scheme: SignatureScheme,
    /// The level promised.
    pub level: Level,
    /// Bytes kept free for the time-stamp token at level B-T.
    pub time_stamp_bytes: usize,
    /// Bytes for the whole CMS; none takes what chain and token need.
    pub contents_bytes: Option<usize>,
}

impl SignOptions {
    /// The least there is to say; the other members are public.
    pub fn new(
        certificate: Certificate,
        chain: Vec<Certificate>,
        scheme: SignatureScheme,
        level: Level,
        signed_at: Timestamp,
    ) -> Self {
        Self {
            field_name: None,
            signer_name: None,
            reason: None,
            location: None,
            signed_at,
            certificate,
            chain,
            scheme,
            level,
            time_stamp_bytes: TIME_STAMP_BYTES,
            contents_bytes: None,
        }
    }

    fn cms<'a>(&'a self, digest: &'a [u8]) -> cms::Options<'a> {
        cms::Options {
            content_type: ID_DATA,
            content: Content::Detached(digest),
            scheme: self.scheme,
            signer: &self.certificate,
            embed_certificates: true,
            chain: &self.chain,
            // EN 319 142-1 §6.3: the claimed time is /M, and signing-time is not used.
            signing_time: None,
        }
    }
}

/// Builds the file with an empty signature. Fails before anything is signed if the PDF is not one to sign or the
/// space would not do.
pub fn prepare(pdf: &[u8], options: &SignOptions) -> Result<Prepared, PadesError> {
    let document = Document::open(pdf)?;
    refuse_if_locked(&document)?;
    let fields = field::fields(&document)?;
    if fields
        .iter()
        .filter(|f| f.is_signature && f.value.is_some())
        .count()
        >= MAX_SIGNATURES
    {
        return Err(PadesError::TooLarge("number of signatures"));
    }
    let target = field::target(&fields, options.field_name.as_deref())?;
    let available = contents_bytes(options)?;

    let mut update = Update::new(pdf, document.next_number()?);
    let id = update.allocate()?;
    let dictionary = SignatureDictionary::write(options, available)?;
    let start = update.put_bytes(id, &dictionary.body);
    field::attach(&document, &mut update, target, id)?;
    let mut file = update.finish(&document)?;

    let gap = start + dictionary.gap.start..start + dictionary.gap.end;
    let range = format!("{} {} {}", gap.start, gap.end, file.len() - gap.end);
    if range.len() > BYTE_RANGE_CHARS {
        return Err(PadesError::TooLarge("file"));
    }
    let at = start + dictionary.byte_range;
    let place = file
        .get_mut(at..at + range.len())
        .ok_or(PadesError::TooLarge("file"))?;
    place.copy_from_slice(range.as_bytes());

    let digest = DigestAlgorithm::of(options.scheme)?;
    let (before, after) = (file.get(..gap.start), file.get(gap.end..));
    let byte_range_digest = digest.digest(&[before.unwrap_or_default(), after.unwrap_or_default()]);
    let cms = cms::prepare(&options.cms(&byte_range_digest))?;
    Ok(Prepared::new(
        file,
        gap,
        cms,
        options.level,
        byte_range_digest,
    ))
}

/// A certification signature with level 1 forbids every change (ISO 32000-2 table 257).
fn refuse_if_locked(document: &Document) -> Result<(), PadesError> {
    let (_, catalog) = document.catalog()?;
    let certification = document
        .dictionary(catalog, b"Perms")
        .and_then(|perms| document.dictionary(perms, b"DocMDP"));
    let level = certification
        .and_then(|signature| document.value(signature, b"Reference"))
        .and_then(|references| references.as_array().ok())
        .and_then(|references| references.first())
        .and_then(|reference| document.resolve(reference).1.as_dict().ok())
        .and_then(|reference| document.dictionary(reference, b"TransformParams"))
        .and_then(|parameters| document.value(parameters, b"P"))
        .and_then(|level| level.as_i64().ok());
    match level {
        Some(1) => Err(PadesError::ChangesForbidden),
        _ => Ok(()),
    }
}

/// Bytes for the CMS: as many as the longest signature of this key, the chain and the token can take.
fn contents_bytes(options: &SignOptions) -> Result<usize, PadesError> {
    let digest = vec![0; DigestAlgorithm::of(options.scheme)?.length()];
    let trial = cms::prepare(&options.cms(&digest))?;
    let signature = vec![0xff; longest_signature(options)];
    let bare = trial.finish(&signature, None)?.len();
    let needed = match options.level {
        Level::BB => bare,
        Level::BT => {
            let token = reserved_token(options.time_stamp_bytes)?;
            trial.finish(&signature, Some(&token))?.len()
        }
    };
    let available = options.contents_bytes.unwrap_or(needed);
    if available < needed {
        return Err(PadesError::ContentsTooSmall { needed, available });
    }
    Ok(available)
}

/// A SEQUENCE as long as the longest token expected.
fn reserved_token(bytes: usize) -> Result<Vec<u8>, PadesError> {
    let length = u32::try_from(bytes.saturating_sub(DER_HEADER_BYTES))
        .ok()
        .filter(|length| *length < 1 << 24)
        .ok_or(PadesError::TooLarge("time-stamp"))?;
    let value = vec![0; length as usize];
    let any = der::Any::new(der::Tag::Sequence, value).map_err(cms::CmsError::from)?;
    Ok(der::Encode::to_der(&any).map_err(cms::CmsError::from)?)
}

fn longest_signature(options: &SignOptions) -> usize {
    match options.scheme {
        SignatureScheme::EcdsaP256Sha256 => 72,
        SignatureScheme::EcdsaP384Sha384 => 104,
        SignatureScheme::Ed25519 => 64,
        // The modulus is a little shorter than the encoded key.
        SignatureScheme::RsaPkcs1Sha256 | SignatureScheme::RsaPssSha256 => options
            .certificate
            .public_key()
            .subject_public_key
            .raw_bytes()
            .len(),
    }
}

/// The bytes of a signature dictionary, and where its two late parts are within them.
struct SignatureDictionary {
    body: Vec<u8>,
    byte_range: usize,
    gap: core::ops::Range<usize>,
}

impl SignatureDictionary {
    fn write(options: &SignOptions, contents_bytes: usize) -> Result<Self, PadesError> {
        let mut body = b"<</Type/Sig/Filter/Adobe.PPKLite/SubFilter/ETSI.CAdES.detached".to_vec();
        body.extend_from_slice(b"/M ");
        serialise::write(&mut body, &text::date(options.signed_at));
        let texts = [
            ("Name", &options.signer_name),
            ("Reason", &options.reason),
            ("Location", &options.location),
        ];
        for (key, value) in texts {
            if let Some(value) = value {
                body.extend_from_slice(format!("/{key} ").as_bytes());
                serialise::write(&mut body, &text::text_string(value, "signature text")?);
            }
        }
        body.extend_from_slice(b"/ByteRange [0 ");
        let byte_range = body.len();
        body.resize(byte_range + BYTE_RANGE_CHARS, b' ');
        body.extend_from_slice(b"]/Contents ");
        let start = body.len();
        body.push(b'<');
        body.resize(body.len() + 2 * contents_bytes, b'0');
        body.push(b'>');
        let gap = start..body.len();
        body.extend_from_slice(b">>");
        Ok(Self {
            body,
            byte_range,
            gap,
        })
    }
}
