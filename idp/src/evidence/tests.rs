//! Files as people and attackers send them.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgba, RgbaImage};
use lopdf::{Document, Object, Stream, dictionary};
use proptest::prelude::*;

use super::*;

fn encoded(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let picture = RgbaImage::from_fn(width, height, |x, y| {
        Rgba([
            u8::try_from(x % 256).unwrap(),
            u8::try_from(y % 256).unwrap(),
            90,
            255,
        ])
    });
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::from(DynamicImage::from(picture).to_rgb8())
        .write_to(&mut bytes, format)
        .unwrap();
    bytes.into_inner()
}

/// Puts an APP1 segment right after the start of a JPEG.
fn with_app1(jpeg: &[u8], content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xFF, 0xE1], &length, content, &jpeg[2..]].concat()
}

fn pdf(
    pages: usize,
    extra: impl FnOnce(&mut Document) -> Option<(&'static str, Object)>,
) -> Vec<u8> {
    let mut document = Document::with_version("1.5");
    let parent = document.new_object_id();
    let kids: Vec<Object> = (0..pages)
        .map(|_| {
            let content = document.add_object(Stream::new(dictionary! {}, b"BT ET".to_vec()));
            document
                .add_object(
                    dictionary! { "Type" => "Page", "Parent" => parent, "Contents" => content,
                    "MediaBox" => vec![0.into(), 0.into(), 595.into(), 842.into()] },
                )
                .into()
        })
        .collect();
    let count = i64::try_from(pages).unwrap();
    document.objects.insert(
        parent,
        dictionary! { "Type" => "Pages", "Kids" => kids, "Count" => count }.into(),
    );
    let mut catalog = dictionary! { "Type" => "Catalog", "Pages" => parent };
    if let Some((key, value)) = extra(&mut document) {
        catalog.set(key, value);
    }
    let catalog = document.add_object(catalog);
    document.trailer.set("Root", catalog);
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).unwrap();
    bytes
}

#[test]
fn photos_come_back_as_our_own_jpeg() {
    for (format, declared) in [
        (ImageFormat::Jpeg, "image/jpeg"),
        (ImageFormat::Png, "image/png"),
    ] {
        let clean = inspect(&encoded(400, 300, format), Some(declared), false).unwrap();
        assert_eq!(
            (clean.media_type, clean.pixels),
            ("image/jpeg", Some((400, 300)))
        );
        assert!(clean.bytes.starts_with(&[0xFF, 0xD8]));
    }
}

#[test]
fn what_was_hidden_in_a_photo_is_gone() {
    let marker = b"GPS 11.5564N 104.9282E";
    let mut sent = with_app1(
        &encoded(400, 300, ImageFormat::Jpeg),
        &[b"Exif\0\0", marker.as_slice()].concat(),
    );
    sent.extend_from_slice(b"<script>alert(1)</script>");
    let clean = inspect(&sent, Some("image/jpeg"), false).unwrap();
    for needle in [marker.as_slice(), b"Exif", b"<script>"] {
        assert!(
            !clean
                .bytes
                .windows(needle.len())
                .any(|window| window == needle)
        );
    }
}

#[test]
fn a_photo_taken_sideways_is_turned_upright() {
    // TIFF header, one entry: orientation (0x0112), short, 6 = rotate by 90 degrees.
    let exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let sent = with_app1(&encoded(400, 300, ImageFormat::Jpeg), exif);
    assert_eq!(
        inspect(&sent, None, false).unwrap().pixels,
        Some((300, 400))
    );
}

#[test]
fn refusals() {
    let jpeg = encoded(400, 300, ImageFormat::Jpeg);
    let refused =
        |bytes: &[u8], declared: Option<&str>| inspect(bytes, declared, true).unwrap_err();
    assert_eq!(refused(b"", None), UploadError::Empty);
    assert_eq!(
        refused(&vec![0; MAX_BYTES + 1], None),
        UploadError::TooLarge
    );
    assert_eq!(
        refused(b"<svg onload=alert(1)>", Some("image/svg+xml")),
        UploadError::Kind
    );
    assert_eq!(
        refused(b"GIF89a........", Some("image/gif")),
        UploadError::Kind
    );
    assert_eq!(
        refused(&jpeg, Some("application/pdf")),
        UploadError::Mismatch
    );
    assert_eq!(
        refused(&jpeg[..200], Some("image/jpeg")),
        UploadError::Damaged
    );
    assert_eq!(
        refused(&encoded(80, 60, ImageFormat::Png), None),
        UploadError::TooFewPixels
    );
}

#[test]
fn a_pixel_flood_is_refused_before_it_is_unpacked() {
    // A PNG header that promises 50,000 by 50,000 pixels.
    let mut png = encoded(400, 300, ImageFormat::Png);
    png[16..20].copy_from_slice(&50_000_u32.to_be_bytes());
    png[20..24].copy_from_slice(&50_000_u32.to_be_bytes());
    let error = inspect(&png, Some("image/png"), false).unwrap_err();
    assert!(
        matches!(error, UploadError::TooManyPixels | UploadError::Damaged),
        "{error:?}"
    );
}

#[test]
fn plain_papers_pass() {
    let clean = inspect(&pdf(2, |_| None), Some("application/pdf"), true).unwrap();
    assert_eq!(
        (clean.media_type, clean.pages),
        ("application/pdf", Some(2))
    );
    assert_eq!(
        inspect(&pdf(1, |_| None), None, false),
        Err(UploadError::PhotoNeeded)
    );
}

#[test]
fn papers_that_act_or_hide_something_do_not() {
    let script = pdf(1, |_| {
        Some((
            "OpenAction",
            dictionary! { "S" => "JavaScript", "JS" => Object::string_literal("app.alert(1)") }
                .into(),
        ))
    });
    assert_eq!(inspect(&script, None, true), Err(UploadError::Active));
    let attached = pdf(1, |document| {
        let file = document.add_object(Stream::new(
            dictionary! { "Type" => "EmbeddedFile" },
            b"MZ".to_vec(),
        ));
        let spec = document
            .add_object(dictionary! { "Type" => "Filespec", "EF" => dictionary! { "F" => file } });
        Some((
            "Names",
            dictionary! { "EmbeddedFiles" => dictionary! { "Names" => vec![spec.into()] } }.into(),
        ))
    });
    assert_eq!(inspect(&attached, None, true), Err(UploadError::Active));
    assert_eq!(
        inspect(&pdf(MAX_PAGES + 1, |_| None), None, true),
        Err(UploadError::Pages)
    );
    assert_eq!(
        inspect(b"%PDF-1.7\nrubbish", None, true),
        Err(UploadError::Damaged)
    );
}

#[test]
fn a_paper_that_was_cut_short_is_damaged() {
    let whole = pdf(2, |_| None);
    let end = whole.windows(5).rposition(|w| w == b"%%EOF").unwrap();
    for length in 20..end + 5 {
        let refused = inspect(&whole[..length], None, true);
        assert_eq!(refused, Err(UploadError::Damaged), "cut at {length}");
    }
}

#[test]
fn a_page_must_be_there_with_what_is_on_it() {
    // A writer may end a file with blanks, and a page may be left empty where another is not.
    let mut spaced = pdf(1, |_| None);
    spaced.extend_from_slice(b"\r\n  \n");
    assert!(inspect(&spaced, None, true).is_ok());
    let lost = |key: &'static str| {
        let mut document = Document::load_mem(&pdf(1, |_| None)).unwrap();
        let page = document.get_pages()[&1];
        let page = document.get_object_mut(page).unwrap();
        page.as_dict_mut().unwrap().set(key, (999, 0));
        let mut bytes = Vec::new();
        document.save_to(&mut bytes).unwrap();
        bytes
    };
    assert_eq!(
        inspect(&lost("Contents"), None, true),
        Err(UploadError::Damaged)
    );
}

#[test]
fn files_are_whole_private_and_checked() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let files = EvidenceFiles::open(&folder.path().join("evidence")).unwrap();
    let name = files.write(b"sealed").unwrap();
    assert_eq!(files.read(&name).unwrap(), b"sealed");
    let path = walk(folder.path());
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    std::fs::write(&path, b"changed").unwrap();
    assert!(matches!(files.read(&name), Err(FileError::Damaged)));
    files.remove(&name).unwrap();
    files.remove(&name).unwrap();
    assert!(matches!(files.read(&name), Err(FileError::Io(_))));
}

fn walk(folder: &std::path::Path) -> std::path::PathBuf {
    let mut place = folder.to_owned();
    while place.is_dir() {
        place = std::fs::read_dir(&place)
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
    }
    place
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn anything_is_answered(start in 0usize..4, bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let heads: [&[u8]; 4] = [b"", b"\xFF\xD8\xFF\xE0", b"\x89PNG\r\n\x1a\n", b"%PDF-1.4\n"];
        let _ = inspect(&[heads[start], &bytes].concat(), None, true);
    }

    #[test]
    fn one_changed_byte_never_panics(at: proptest::sample::Index, to: u8) {
        let mut bytes = pdf(1, |_| None);
        let at = at.index(bytes.len());
        bytes[at] = to;
        let _ = inspect(&bytes, None, true);
    }
}
