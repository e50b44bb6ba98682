//! What the template can see: itself, the data, the pictures that were handed in, the fonts. Nothing else exists for it.

use crate::{
    Form,
    encode::{narrowed, shrunk},
    fonts::Faces,
};
use std::collections::HashMap;
use typst::{
    Library, LibraryExt as _, World,
    diag::{FileError, FileResult},
    foundations::{Bytes, Datetime, Dict, Duration, IntoValue as _},
    syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot},
    text::{Font, FontBook},
    utils::LazyHash,
};

const TEMPLATE: &str = include_str!("report.typ");

/// One report's world.
pub(crate) struct Desk {
    library: LazyHash<Library>,
    book: LazyHash<FontBook>,
    fonts: Vec<Font>,
    main: Source,
    files: HashMap<FileId, Bytes>,
}

fn id(name: &str) -> FileId {
    let path = VirtualPath::new(name).expect("names of pictures are made by this house");
    RootedPath::new(VirtualRoot::Project, path).intern()
}

impl Desk {
    pub(crate) fn new(faces: Faces, form: Form, data: String, pictures: &[(String, Vec<u8>)]) -> Self {
        // On paper a photograph stays the file it is; a logo does everywhere.
        let sized = |name: &str, bytes: &[u8]| match form {
            Form::Picture if name.contains("-change") => narrowed(bytes),
            Form::Picture if !name.starts_with("logo.") => shrunk(bytes),
            _ => bytes.to_vec(),
        };
        let form = match form {
            Form::Pdf => "pdf",
            Form::Picture => "picture",
        };
        let families = |names: &[String]| serde_json::json!(names).to_string().into_value();
        let inputs = Dict::from_iter([
            ("form".into(), form.into_value()),
            ("sans".into(), families(&faces.sans)),
            ("headline".into(), families(&faces.headline)),
        ]);
        let mut files: HashMap<FileId, Bytes> =
            pictures.iter().map(|(name, bytes)| (id(name), Bytes::new(sized(name, bytes)))).collect();
        files.insert(id("data.json"), Bytes::from_string(data));
        Self {
            library: LazyHash::new(Library::builder().with_inputs(inputs).build()),
            book: LazyHash::new(faces.book),
            fonts: faces.fonts,
            main: Source::new(id("report.typ"), TEMPLATE.to_owned()),
            files,
        }
    }
}

impl World for Desk {
    fn library(&self) -> &LazyHash<Library> {
        &self.library
    }

    fn book(&self) -> &LazyHash<FontBook> {
        &self.book
    }

    fn main(&self) -> FileId {
        self.main.id()
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        if id == self.main.id() { Ok(self.main.clone()) } else { Err(FileError::AccessDenied) }
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        self.files.get(&id).cloned().ok_or(FileError::AccessDenied)
    }

    fn font(&self, index: usize) -> Option<Font> {
        self.fonts.get(index).cloned()
    }

    fn today(&self, _: Option<Duration>) -> Option<Datetime> {
        None
    }
}
