//! Signature fields: finding those a form has, and adding one (ISO 32000-2 §12.7).

use std::collections::HashSet;

use lopdf::{Dictionary, Object, ObjectId};

use super::document::Document;
use super::update::Update;
use super::{MAX_FIELD_DEPTH, MAX_FIELDS, PadesError, text};

/// SignaturesExist and AppendOnly (ISO 32000-2 table 225).
const SIG_FLAGS: i64 = 3;
/// Print and Locked (ISO 32000-2 table 167).
const WIDGET_FLAGS: i64 = 132;
/// What an automatic field name starts with.
const NAME_STEM: &str = "Signature";

/// A terminal field as the form tree has it.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) id: ObjectId,
    pub(super) name: String,
    pub(super) is_signature: bool,
    pub(super) value: Option<Object>,
}

/// All terminal fields, in document order.
pub(super) fn fields(document: &Document) -> Result<Vec<Field>, PadesError> {
    let (_, catalog) = document.catalog()?;
    let mut walk = Walk {
        document,
        seen: HashSet::new(),
        found: Vec::new(),
    };
    let roots = document
        .dictionary(catalog, b"AcroForm")
        .and_then(|form| document.value(form, b"Fields"))
        .and_then(|fields| fields.as_array().ok());
    for root in roots.into_iter().flatten() {
        walk.visit(root, "", false, 0)?;
    }
    Ok(walk.found)
}

struct Walk<'a> {
    document: &'a Document,
    seen: HashSet<ObjectId>,
    found: Vec<Field>,
}

impl Walk<'_> {
    fn visit(
        &mut self,
        object: &Object,
        parent: &str,
        inherits_signature: bool,
        depth: usize,
    ) -> Result<(), PadesError> {
        let document = self.document;
        let (Some(id), Object::Dictionary(field)) = document.resolve(object) else {
            return Ok(());
        };
        if depth > MAX_FIELD_DEPTH || self.seen.len() >= MAX_FIELDS {
            return Err(PadesError::TooLarge("form"));
        }
        if !self.seen.insert(id) {
            return Err(PadesError::Malformed("field occurs twice"));
        }
        let own = document.value(field, b"T").and_then(text::read);
        let name = match (parent, own.as_deref()) {
            (parent, None) => parent.to_owned(),
            ("", Some(own)) => own.to_owned(),
            (parent, Some(own)) => format!("{parent}.{own}"),
        };
        let kind = document
            .value(field, b"FT")
            .and_then(|ft| ft.as_name().ok());
        let is_signature = kind.map_or(inherits_signature, |ft| ft == b"Sig");
        let kids = document
            .value(field, b"Kids")
            .and_then(|k| k.as_array().ok());
        // Kids with a name of their own are fields, the others are widgets of this one.
        let is_field = |kid: &&Object| {
            let (_, child) = document.resolve(kid);
            child.as_dict().is_ok_and(|child| child.has(b"T"))
        };
        let branches: Vec<&Object> = kids.into_iter().flatten().filter(is_field).collect();
        if branches.is_empty() {
            let value = document.value(field, b"V").cloned();
            self.found.push(Field {
                id,
                name,
                is_signature,
                value,
            });
            return Ok(());
        }
        for kid in branches {
            self.visit(kid, &name, is_signature, depth + 1)?;
        }
        Ok(())
    }
}

/// Where the new signature goes.
pub(super) enum Target {
    /// A field of the form that waits for a signature.
    Existing(ObjectId),
    /// A new field of this name.
    New(String),
}

/// Chooses the field: the one named if it is empty, a new one otherwise.
pub(super) fn target(fields: &[Field], wanted: Option<&str>) -> Result<Target, PadesError> {
    let Some(wanted) = wanted else {
        let taken = |name: &str| fields.iter().any(|f| f.name == name);
        let free = (1..=MAX_FIELDS)
            .map(|n| format!("{NAME_STEM}{n}"))
            .find(|name| !taken(name))
            .ok_or(PadesError::TooLarge("form"))?;
        return Ok(Target::New(free));
    };
    if wanted.is_empty() || wanted.contains('.') {
        return Err(PadesError::Text("field name"));
    }
    match fields.iter().find(|f| f.name == wanted) {
        None => Ok(Target::New(wanted.to_owned())),
        Some(field) if field.is_signature && field.value.is_none() => {
            Ok(Target::Existing(field.id))
        }
        Some(_) => Err(PadesError::Field(wanted.to_owned())),
    }
}

/// Writes field, widget, page and form so that `signature` is the field's value.
pub(super) fn attach(
    document: &Document,
    update: &mut Update,
    target: Target,
    signature: ObjectId,
) -> Result<(), PadesError> {
    let value = Object::Reference(signature);
    let new_field = match target {
        Target::Existing(id) => {
            let field = document
                .dictionary_at(id)
                .ok_or(PadesError::Malformed("field"))?;
            let mut field = field.clone();
            field.set("V", value);
            update.put(id, &Object::Dictionary(field));
            None
        }
        Target::New(name) => {
            let (page_id, page) = document.first_page()?;
            let id = update.allocate()?;
            let mut field = Dictionary::new();
            field.set("FT", Object::Name(b"Sig".to_vec()));
            field.set("T", text::text_string(&name, "field name")?);
            field.set("V", value);
            field.set("Type", Object::Name(b"Annot".to_vec()));
            field.set("Subtype", Object::Name(b"Widget".to_vec()));
            // An empty rectangle makes the signature invisible whatever the page's rotation and box.
            field.set("Rect", Object::Array(vec![0.into(); 4]));
            field.set("F", WIDGET_FLAGS);
            field.set("P", Object::Reference(page_id));
            update.put(id, &Object::Dictionary(field));
            annotate(document, update, (page_id, page), id)?;
            Some(id)
        }
    };
    extend_form(document, update, new_field)
}

fn annotate(
    document: &Document,
    update: &mut Update,
    (page_id, page): (ObjectId, &Dictionary),
    widget: ObjectId,
) -> Result<(), PadesError> {
    let (array_id, mut annotations) = array(document, page, b"Annots")?;
    annotations.push(Object::Reference(widget));
    if let Some(id) = array_id {
        update.put(id, &Object::Array(annotations));
        return Ok(());
    }
    let mut page = page.clone();
    page.set("Annots", Object::Array(annotations));
    update.put(page_id, &Object::Dictionary(page));
    Ok(())
}

/// Sets `/SigFlags` and adds the field; writes only the objects that change.
fn extend_form(
    document: &Document,
    update: &mut Update,
    new_field: Option<ObjectId>,
) -> Result<(), PadesError> {
    let (catalog_id, catalog) = document.catalog()?;
    let (form_id, form) = match catalog.get(b"AcroForm").map(|form| document.resolve(form)) {
        Ok((id, Object::Dictionary(form))) => (id, form.clone()),
        Ok((_, Object::Null)) | Err(_) => (None, Dictionary::new()),
        Ok(_) => return Err(PadesError::Malformed("AcroForm")),
    };
    let mut changed = form.clone();
    let flags = document
        .value(&form, b"SigFlags")
        .and_then(|f| f.as_i64().ok())
        .unwrap_or(0);
    changed.set("SigFlags", flags | SIG_FLAGS);
    if let Some(id) = new_field {
        let (array_id, mut fields) = array(document, &form, b"Fields")?;
        fields.push(Object::Reference(id));
        match array_id {
            Some(array_id) => update.put(array_id, &Object::Array(fields)),
            None => changed.set("Fields", Object::Array(fields)),
        }
    }
    if changed == form {
        return Ok(());
    }
    if let Some(id) = form_id {
        update.put(id, &Object::Dictionary(changed));
        return Ok(());
    }
    let mut catalog = catalog.clone();
    let form = if catalog.has(b"AcroForm") {
        Object::Dictionary(changed)
    } else {
        let id = update.allocate()?;
        update.put(id, &Object::Dictionary(changed));
        Object::Reference(id)
    };
    catalog.set("AcroForm", form);
    update.put(catalog_id, &Object::Dictionary(catalog));
    Ok(())
}

fn array(
    document: &Document,
    dictionary: &Dictionary,
    key: &[u8],
) -> Result<(Option<ObjectId>, Vec<Object>), PadesError> {
    match dictionary.get(key).map(|value| document.resolve(value)) {
        Ok((id, Object::Array(items))) => Ok((id, items.clone())),
        Ok((_, Object::Null)) | Err(_) => Ok((None, Vec::new())),
        Ok(_) => Err(PadesError::Malformed("form or annotations")),
    }
}
