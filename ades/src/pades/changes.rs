//! What may change after a signature: an allow-list. Later updates may add signatures and validation data;
//! everything else, form entries included, counts as a change of what was signed. Shadow attacks live on updates
//! that look harmless, so an object that was there may differ only in the ways named here.

use lopdf::{Dictionary, Object, ObjectId};

use super::document::Document;

/// Keys of the catalog that signing and validation data touch.
const CATALOG_KEYS: [&[u8]; 3] = [b"AcroForm", b"DSS", b"Extensions"];
/// Keys of the form that signing touches.
const FORM_KEYS: [&[u8]; 2] = [b"Fields", b"SigFlags"];
/// Keys that a waiting signature field gets.
const FIELD_KEYS: [&[u8]; 2] = [b"V", b"AP"];
/// Deepest structure followed below `/DSS`.
const DSS_DEPTH: usize = 4;

/// Says what forbidden change `now` holds against the `signed` revision of the same file.
pub(super) fn forbidden(signed: &Document, now: &Document) -> Option<&'static str> {
    let root = |d: &Document| d.trailer().get(b"Root").and_then(Object::as_reference).ok();
    if root(signed) != root(now) {
        return Some("another catalog");
    }
    let roles = Roles::of(signed, now);
    for (id, old) in signed.objects() {
        let Some(new) = now.objects().get(id) else {
            return Some("an object is gone");
        };
        if old != new && !roles.permits(*id, old, new) {
            return Some("an object is replaced");
        }
    }
    None
}

/// The objects of the signed revision that a later update may rewrite, by what they are there for.
struct Roles<'a> {
    now: &'a Document,
    catalog: Option<ObjectId>,
    form: Option<ObjectId>,
    fields: Option<ObjectId>,
    info: Option<ObjectId>,
    pages: Vec<(ObjectId, Option<ObjectId>)>,
    validation: Vec<ObjectId>,
}

impl<'a> Roles<'a> {
    fn of(signed: &Document, now: &'a Document) -> Self {
        let catalog = signed.catalog().ok();
        let id_of = |dictionary: &Dictionary, key: &[u8]| {
            dictionary
                .get(key)
                .ok()
                .and_then(|value| signed.resolve(value).0)
        };
        let form = catalog.and_then(|(_, c)| signed.dictionary(c, b"AcroForm"));
        let pages = signed
            .objects()
            .iter()
            .filter_map(|(id, object)| Some((*id, object.as_dict().ok()?)))
            .filter(|(_, dictionary)| dictionary.has_type(b"Page"))
            .map(|(id, page)| (id, id_of(page, b"Annots")))
            .collect();
        let mut validation = Vec::new();
        if let Some(dss) = catalog.and_then(|(_, c)| c.get(b"DSS").ok()) {
            collect(signed, dss, DSS_DEPTH, &mut validation);
        }
        Self {
            now,
            catalog: catalog.map(|(id, _)| id),
            form: catalog.and_then(|(_, c)| id_of(c, b"AcroForm")),
            fields: form.and_then(|form| id_of(form, b"Fields")),
            info: signed
                .trailer()
                .get(b"Info")
                .and_then(Object::as_reference)
                .ok(),
            pages,
            validation,
        }
    }

    fn permits(&self, id: ObjectId, old: &Object, new: &Object) -> bool {
        if self.info == Some(id) || self.validation.contains(&id) {
            return true;
        }
        match (old, new) {
            (Object::Dictionary(old), Object::Dictionary(new)) => self.dictionary(id, old, new),
            (Object::Array(old), Object::Array(new)) => {
                let annotations = self.pages.iter().any(|(_, annots)| *annots == Some(id));
                (annotations || self.fields == Some(id)) && self.grows_by_signatures(old, new)
            }
            _ => false,
        }
    }

    fn dictionary(&self, id: ObjectId, old: &Dictionary, new: &Dictionary) -> bool {
        if self.catalog == Some(id) {
            return same_except(old, new, &CATALOG_KEYS) && self.form_stays(old, new);
        }
        if self.form == Some(id) {
            return same_except(old, new, &FORM_KEYS) && self.array_grows(old, new, b"Fields");
        }
        if self.pages.iter().any(|(page, _)| *page == id) {
            return same_except(old, new, &[b"Annots"]) && self.array_grows(old, new, b"Annots");
        }
        let waiting = old
            .get(b"FT")
            .and_then(Object::as_name)
            .is_ok_and(|ft| ft == b"Sig");
        waiting && !old.has(b"V") && same_except(old, new, &FIELD_KEYS)
    }

    /// A form inside the catalog follows the rules of a form; one that moves elsewhere does not.
    fn form_stays(&self, old: &Dictionary, new: &Dictionary) -> bool {
        match (old.get(b"AcroForm"), new.get(b"AcroForm")) {
            (Err(_), _) => true,
            (Ok(Object::Dictionary(old)), Ok(Object::Dictionary(new))) => {
                same_except(old, new, &FORM_KEYS) && self.array_grows(old, new, b"Fields")
            }
            (Ok(old), Ok(new)) => old == new,
            (Ok(_), Err(_)) => false,
        }
    }

    fn array_grows(&self, old: &Dictionary, new: &Dictionary, key: &[u8]) -> bool {
        match (old.get(key), new.get(key)) {
            (Err(_), Err(_)) => true,
            (Err(_), Ok(new)) => match self.now.resolve(new).1 {
                Object::Array(new) => self.grows_by_signatures(&[], new),
                _ => false,
            },
            (Ok(Object::Array(old)), Ok(Object::Array(new))) => self.grows_by_signatures(old, new),
            (Ok(old), Ok(new)) => old == new,
            (Ok(_), Err(_)) => false,
        }
    }

    /// The old entries stay in front; what follows are signature fields, which are their own widgets. One that
    /// is not signed must be invisible, or it could be laid over what was signed.
    fn grows_by_signatures(&self, old: &[Object], new: &[Object]) -> bool {
        let Some(added) = new.strip_prefix(old) else {
            return false;
        };
        added.iter().all(|entry| {
            let Ok(entry) = self.now.resolve(entry).1.as_dict() else {
                return false;
            };
            let kind = self
                .now
                .value(entry, b"FT")
                .and_then(|ft| ft.as_name().ok());
            let signed = self.now.value(entry, b"V").is_some();
            kind == Some(b"Sig") && (signed || is_invisible(self.now, entry))
        })
    }
}

/// Whether a widget's rectangle has no area (ISO 32000-2 §12.7.5.5).
fn is_invisible(document: &Document, widget: &Dictionary) -> bool {
    let rectangle = document
        .value(widget, b"Rect")
        .and_then(|rect| rect.as_array().ok());
    let sides: Vec<f32> = rectangle
        .into_iter()
        .flatten()
        .filter_map(|side| document.resolve(side).1.as_float().ok())
        .collect();
    match sides.as_slice() {
        // Equal as written: a reader computes nothing before it compares them.
        [left, bottom, right, top] => {
            left.total_cmp(right).is_eq() && bottom.total_cmp(top).is_eq()
        }
        _ => rectangle.is_none(),
    }
}

fn same_except(old: &Dictionary, new: &Dictionary, keys: &[&[u8]]) -> bool {
    let rest = |dictionary: &Dictionary| {
        let mut rest: Vec<(Vec<u8>, Object)> = dictionary
            .iter()
            .filter(|(key, _)| !keys.contains(&key.as_slice()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        rest.sort_by(|a, b| a.0.cmp(&b.0));
        rest
    };
    rest(old) == rest(new)
}

fn collect(document: &Document, object: &Object, depth: usize, out: &mut Vec<ObjectId>) {
    if depth == 0 {
        return;
    }
    let (id, object) = document.resolve(object);
    out.extend(id);
    match object {
        Object::Array(items) => items
            .iter()
            .for_each(|i| collect(document, i, depth - 1, out)),
        Object::Dictionary(dictionary) => {
            dictionary
                .iter()
                .for_each(|(_, value)| collect(document, value, depth - 1, out));
        }
        _ => {}
    }
}
