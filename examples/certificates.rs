//! Makes an authority with a broker's, a receiver's and a gateway's certificate in a folder, for benches and trials on one
//! machine: `cargo run --example certificates -- FOLDER [GATEWAY…]`. For `skinlink simulate fleet`:
//! `… FOLDER $(seq -f 'sim-%04.0f-g1' 0 199)`.

use anyhow::Context as _;
use skinlink::{
    adapters::pki::{Authority, Use, Validity},
    clock,
};
use std::{env, fs, path::PathBuf};

const DAYS: u32 = 30;

fn main() -> anyhow::Result<()> {
    let mut words = env::args().skip(1);
    let folder = PathBuf::from(words.next().context("name a folder: certificates FOLDER [GATEWAY…]")?);
    let mut gateways: Vec<String> = words.collect();
    if gateways.is_empty() {
        gateways.push("bench-g1".to_owned());
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let validity = Validity::days(clock::now().wall, DAYS);
    let authority = Authority::new("skinlink trial authority", validity)?;
    authority.issue(&folder, "broker", Use::Server(&["localhost", "127.0.0.1"]), validity)?;
    authority.issue(&folder, "hq-1", Use::Client, validity)?;
    for gateway in &gateways {
        authority.issue(&folder, gateway, Use::Client, validity)?;
    }
    Ok(())
}
