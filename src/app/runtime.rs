//! Where the ONNX Runtime library is. Whether it is the right one, the worker finds out before it opens it.

use std::{
    io,
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// The one version this gateway is built against.
pub const FILE: &str = "libonnxruntime.so.1.28.0";

/// The running program, as it was called when this was asked for first: after an upgrade the system would name a file that is gone.
///
/// # Errors
/// When the system does not say.
pub fn program() -> io::Result<PathBuf> {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    if let Some(known) = PROGRAM.get() {
        return Ok(known.clone());
    }
    let program = std::env::current_exe()?;
    Ok(PROGRAM.get_or_init(|| program).clone())
}

/// There is no library to be found.
#[derive(Debug, thiserror::Error)]
#[error("the ONNX Runtime library was not found at {}; run `make setup`, or name it in scan.onnxruntime", .tried.join(" or "))]
pub struct NoRuntime {
    tried: Vec<String>,
}

/// The configured path, else beside the program, else `target/onnxruntime/` of the current folder.
///
/// # Errors
/// [`NoRuntime`] with the places looked at.
pub fn find(configured: Option<&Path>) -> Result<PathBuf, NoRuntime> {
    let places = match configured {
        Some(path) => vec![path.to_owned()],
        None => {
            let beside = program().ok().and_then(|program| Some(program.parent()?.join(FILE)));
            beside.into_iter().chain([Path::new("target/onnxruntime").join(FILE)]).collect()
        }
    };
    let found = places.iter().find(|path| path.is_file()).cloned();
    found
        .map(|path| std::path::absolute(&path).unwrap_or(path))
        .ok_or_else(|| NoRuntime { tried: places.iter().map(|path| path.display().to_string()).collect() })
}
