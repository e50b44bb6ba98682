//! The gateway's own machine as somebody who may keep house: at every start the daemon leaves a token in its data folder, and a
//! command run by whoever may read that folder shows it. So `skinlink model activate` and `skinlink staff` reach a gateway at
//! whose pages people log in, without a PIN on a command line.

use crate::{config::Config, web::pin};
use anyhow::{Context as _, bail};
use reqwest::{Client, StatusCode};
use serde_json::Value;
use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

fn place(data: &Path) -> PathBuf {
    data.join("machine.token")
}

/// Writes a new token, readable by the gateway's user only; gives its digest.
///
/// # Errors
/// When the data folder cannot be written.
pub fn issue(data: &Path) -> anyhow::Result<[u8; 32]> {
    let (token, digest) = pin::token();
    let (path, part) = (place(data), data.join("machine.token.part"));
    let write = || {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(token.as_bytes())?;
        fs::rename(&part, &path)
    };
    write().with_context(|| {
        format!("cannot write {}; check the rights of the data folder and the disk", path.display())
    })?;
    Ok(digest)
}

/// What came of a word to the gateway.
#[derive(Debug)]
pub enum Heard {
    /// No gateway listens.
    Nobody,
    /// One listens, and takes no word from this terminal; why, and what to do.
    Closed(String),
    Said(StatusCode, Value),
}

/// Says something to the gateway that runs with this configuration, within `patience`.
///
/// # Errors
/// When it listens and does not answer.
pub async fn post(config: &Config, path: &str, body: &Value, patience: Duration) -> anyhow::Result<Heard> {
    call(config, path, Some(body), patience).await
}

/// Asks it something.
///
/// # Errors
/// When it listens and does not answer.
pub async fn get(config: &Config, path: &str, patience: Duration) -> anyhow::Result<Heard> {
    call(config, path, None, patience).await
}

async fn call(config: &Config, path: &str, body: Option<&Value>, patience: Duration) -> anyhow::Result<Heard> {
    let address = format!("http://{}", config.web.listen);
    let token = fs::read_to_string(place(&config.store.data));
    let http = Client::builder().timeout(patience).no_proxy().build()?;
    let url = format!("{address}/api/v1{path}");
    let request = match body {
        Some(body) => http.post(url).header("x-skinlink", "1").json(body),
        None => http.get(url),
    };
    let request = match &token {
        Ok(token) => request.header(crate::web::MACHINE, token.trim()),
        Err(_) => request,
    };
    let answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) if error.is_connect() => return Ok(Heard::Nobody),
        Err(error) => bail!("the gateway at {address} does not answer: {error}"),
    };
    let (status, body) = (answer.status(), answer.json::<Value>().await.unwrap_or_default());
    if status != StatusCode::UNAUTHORIZED {
        return Ok(Heard::Said(status, body));
    }
    let path = place(&config.store.data);
    Ok(Heard::Closed(match token {
        Err(fault) => format!(
            "people log in there, and {} cannot be read ({fault}): run this as the gateway's own user",
            path.display()
        ),
        Ok(_) => format!(
            "people log in there, and it does not know the token in {}: it runs with another data folder, or an older version",
            path.display()
        ),
    }))
}
