//! The inference process: pictures and models in, scores out, under limits. A permanent child of the gateway, the same
//! binary (`skinlink worker`), spoken to over its standard input and output ([`crate::analysis::job`]).
//!
//! Whatever a picture, a model or the native library does to this process, the gateway does not die with it: it ends the
//! process at a deadline, starts another, and goes on. So nothing here is kept that could not be asked for again. The
//! process limits its own address space, ends when its input ends, opens no socket, and writes nothing but answers.

mod engine;
mod levels;
mod pairs;
mod pictures;
mod pipe;

use crate::{
    adapters::onnx,
    analysis::{
        job::{Reply, Request},
        regions::FaceRegions,
    },
    faults,
};
use engine::Engine;
use nix::sys::resource::{Resource, setrlimit};
use std::{io, path::Path, process::ExitCode};

/// Answers until the input ends; the exit code says whether it ended between two requests.
#[must_use]
pub fn main_loop() -> ExitCode {
    match serve(&mut io::stdin().lock(), &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("inference process: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(input: &mut impl io::Read, output: &mut impl io::Write) -> Result<(), pipe::PipeError> {
    let mut engine = None;
    while let Some((request, parts)) = pipe::read(input)? {
        faults::point("worker.request.read");
        let answered = answer(&mut engine, request, &parts);
        let (reply, parts) = answered.unwrap_or_else(|reason| (Reply::Failed { reason }, Vec::new()));
        pipe::write(output, &reply, &parts)?;
        faults::point("worker.answer.written");
    }
    Ok(())
}

/// A reply and the parts that go with it.
type Answer = (Reply, Vec<Vec<u8>>);

fn answer(engine: &mut Option<Engine>, request: Request, parts: &[Vec<u8>]) -> Result<Answer, String> {
    if let (Request::Pictures { view, before_anchors, after_anchors, whites }, [before, after]) = (&request, parts) {
        let engine = engine.as_mut().ok_or(NOT_SET_UP)?;
        let anchors = [*before_anchors, *after_anchors];
        let (pictures, parts) = pictures::make(engine, view, anchors, [before, after], *whites)?;
        return Ok((Reply::Pictures(pictures), parts));
    }
    bare(engine, request, parts).map(|reply| (reply, Vec::new()))
}

const NOT_SET_UP: &str = "the inference process was not set up";

fn bare(engine: &mut Option<Engine>, request: Request, parts: &[Vec<u8>]) -> Result<Reply, String> {
    if let Request::Setup { onnxruntime, memory_mib } = request {
        let [regions] = parts else { return Err("set-up needs face-regions.toml".into()) };
        *engine = Some(set_up(&onnxruntime, memory_mib, regions)?);
        return Ok(Reply::Ready { provider: onnx::PROVIDER.to_owned() });
    }
    let engine = engine.as_mut().ok_or(NOT_SET_UP)?;
    match (request, parts) {
        (Request::Setup { .. }, _) => Err("set-up happens once".into()),
        (Request::Ping, _) => Ok(Reply::Pong),
        (Request::Activate { folder }, _) => Ok(Reply::Activated { model: engine.activate(Path::new(&folder))? }),
        (Request::Look { view, anchors }, [picture]) => {
            levels::look(engine, &view, anchors, picture).map(|(levels, _)| Reply::Levels(levels))
        }
        (Request::Levels { view, anchors }, [picture]) => {
            levels::measure(engine, &view, anchors, picture).map(Reply::Levels)
        }
        (Request::Paired { view, before_anchors, after_anchors }, [before, after]) => {
            pairs::measure(engine, &view, [before_anchors, after_anchors], [before, after]).map(Reply::Paired)
        }
        _ => Err("the request came with the wrong number of pictures".into()),
    }
}

/// Limits first, so that even loading the library stays within them.
fn set_up(onnxruntime: &str, memory_mib: u32, regions: &[u8]) -> Result<Engine, String> {
    let bytes = u64::from(memory_mib) << 20;
    setrlimit(Resource::RLIMIT_AS, bytes, bytes).map_err(|e| format!("the memory limit cannot be set ({e})"))?;
    // A crash is told by the parent; a core file would hold a customer's picture.
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(|e| format!("core files cannot be switched off ({e})"))?;
    let text = std::str::from_utf8(regions).map_err(|_| "face-regions.toml is not UTF-8")?;
    let regions = FaceRegions::parse(text).map_err(|e| e.to_string())?;
    let runtime = onnx::Runtime::load(Path::new(onnxruntime)).map_err(|e| e.to_string())?;
    faults::point("worker.set_up");
    Ok(Engine::new(runtime, regions))
}
