//! The fonts, files in one folder as `scripts/fonts.py` makes them. Those for usual text are read for every report; the rest of the
//! Chinese characters, other scripts and emoji only for a report that holds a character the usual ones lack.

use crate::Fault;
use std::{
    fs,
    path::{Path, PathBuf},
};
use typst::{
    foundations::Bytes,
    text::{Font, FontBook},
};

const SANS: &str = "sans";
const SERIF: &str = "serif";

/// In the order in which they are asked. Arabic letters stand in more than one font; whoever has a character first writes it.
const REST: [&str; 8] = [
    "other-latin",
    "more",
    "other-symbols2",
    "other-arabic",
    "other-hebrew",
    "other-thai",
    "other-devanagari",
    "other-emoji",
];

/// A folder of fonts.
#[derive(Debug, Clone)]
pub struct Fonts {
    folder: PathBuf,
}

/// What one report is written with.
pub(crate) struct Faces {
    pub book: FontBook,
    pub fonts: Vec<Font>,
    /// Families in the order in which a character is looked for.
    pub sans: Vec<String>,
    pub headline: Vec<String>,
}

impl Fonts {
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The faces that write `text`, and `headline` in it; the headline in one face, or it would look mended.
    pub(crate) fn for_text(&self, text: &str, headline: &str) -> Result<Faces, Fault> {
        let mut faces = Faces { book: FontBook::new(), fonts: Vec::new(), sans: Vec::new(), headline: Vec::new() };
        self.take(&mut faces, SANS)?;
        let mut missing: Vec<char> = text.chars().filter(|c| is_drawn(*c)).collect();
        missing.sort_unstable();
        missing.dedup();
        faces.drop_known(&mut missing);
        for family in REST {
            if missing.is_empty() {
                break;
            }
            // Read, and left out again where it has nothing of what is missing.
            let (before, count) = (missing.len(), faces.fonts.len());
            let book = faces.book.clone();
            self.take(&mut faces, family)?;
            faces.drop_known(&mut missing);
            if missing.len() == before {
                faces.fonts.truncate(count);
                faces.book = book;
                faces.sans.pop();
            }
        }
        if !missing.is_empty() {
            return Err(Fault::Unwritable(missing));
        }
        let (at, book) = (faces.fonts.len(), faces.book.clone());
        self.read(&mut faces, SERIF, "bold")?;
        if headline.chars().filter(|c| is_drawn(*c)).all(|c| has(&faces.fonts[at], c)) {
            faces.headline = vec![SERIF.to_owned()];
        } else {
            faces.fonts.truncate(at);
            faces.book = book;
            faces.headline = faces.sans.clone();
        }
        Ok(faces)
    }

    /// Both weights of a family; some have one.
    fn take(&self, faces: &mut Faces, family: &str) -> Result<(), Fault> {
        let name = |weight: &str| if weight.is_empty() { family.to_owned() } else { format!("{family}-{weight}") };
        let mut weights = vec!["regular", "bold", ""];
        // Usual text needs both; of the others a salon may have left some out.
        if family != SANS {
            weights.retain(|weight| self.file(&name(weight)).is_some());
        } else {
            weights.pop();
        }
        for weight in weights {
            self.read(faces, family, weight)?;
        }
        faces.sans.push(family.to_owned());
        Ok(())
    }

    fn file(&self, name: &str) -> Option<PathBuf> {
        ["otf", "ttf"].into_iter().map(|end| self.folder.join(format!("{name}.{end}"))).find(|path| path.is_file())
    }

    fn read(&self, faces: &mut Faces, family: &str, weight: &str) -> Result<(), Fault> {
        let name = if weight.is_empty() { family.to_owned() } else { format!("{family}-{weight}") };
        let fault =
            |path: PathBuf, reason: &str| Fault::Fonts { path: path.display().to_string(), reason: reason.into() };
        let path = self.file(&name).ok_or_else(|| fault(self.folder.join(&name), "it is not there"))?;
        let bytes = fs::read(&path).map_err(|error| fault(path.clone(), &error.to_string()))?;
        let font = Font::new(Bytes::new(bytes), 0).ok_or_else(|| fault(path, "it is no font"))?;
        let mut info = font.info().clone();
        // By file, so that the rest of a font is not taken for another weight of it.
        family.clone_into(&mut info.family);
        faces.book.push(info);
        faces.fonts.push(font);
        Ok(())
    }
}

impl Faces {
    fn drop_known(&self, missing: &mut Vec<char>) {
        missing.retain(|c| !self.fonts.iter().any(|font| has(font, *c)));
    }
}

fn has(font: &Font, character: char) -> bool {
    font.info().coverage.contains(u32::from(character))
}

/// Whether a character is to be seen: not spaces and controls, nor what only joins, turns or varies the characters round it.
fn is_drawn(c: char) -> bool {
    !(c.is_whitespace()
        || c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e01ef}'))
}
