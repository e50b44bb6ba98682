//! Where the database is, as people write it.

use super::{
    HqError,
    engine::Engine,
    postgres::{self, Postgres},
    sqlite::Sqlite,
};
use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

/// Name of the SQLite file within the data folder, unless the place says otherwise.
pub const FILE: &str = "hq.sqlite";

/// `sqlite:/var/lib/skinlink-hq/hq.sqlite` or `postgres://skinlink@db.example/hq`.
#[derive(Debug, Clone)]
pub enum Place {
    Sqlite(PathBuf),
    Postgres(Box<postgres::Settings>),
}

impl Place {
    /// The file in a data folder.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self::Sqlite(folder.join(FILE))
    }

    /// Opens the database to receive into; makes or upgrades its tables.
    ///
    /// # Errors
    /// [`HqError`]; [`HqError::passes`] says whether it is worth another try.
    pub fn open(&self) -> Result<Box<dyn Engine>, HqError> {
        Ok(match self {
            Self::Sqlite(path) => Box::new(Sqlite::open(path)?),
            Self::Postgres(settings) => Box::new(Postgres::open(settings)?),
        })
    }

    /// Opens the database to read beside running receivers.
    ///
    /// # Errors
    /// When it is not there or holds no tables yet.
    pub fn read_only(&self) -> Result<Box<dyn Engine>, HqError> {
        Ok(match self {
            Self::Sqlite(path) => Box::new(Sqlite::read_only(path)?),
            Self::Postgres(settings) => Box::new(Postgres::read_only(settings)?),
        })
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            if path.is_empty() {
                return Err("sqlite: without a file; write sqlite:/folder/hq.sqlite".to_owned());
            }
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(Box::new(text.parse()?)));
        }
        Err(format!(
            "{:?} is neither sqlite:FILE nor postgres://USER@HOST/NAME",
            text.split(':').next().unwrap_or(text)
        ))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(settings) => settings.fmt(f),
        }
    }
}
