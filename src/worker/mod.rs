//! The inference process: pictures and models in, scores out, under limits. A permanent child of the gateway, the same
//! binary (`skinlink worker`), spoken to over its standard input and output ([`crate::analysis::job`]).
//!
//! Whatever a picture, a model or the native library does to this process, the gateway does not die with it: it ends the
//! process at a deadline, starts another, and goes on. So nothing here is kept that could not be asked for again. The
//! process limits its own address space, ends when its input ends, opens no socket, and writes nothing but answers.

mod engine;
mod evaluate;
mod gate;
mod levels;
mod limits;
mod outputs;
mod pairs;
mod pictures;
mod pipe;
mod whole;

use crate::{
    adapters::onnx,
    analysis::{
        cameras::Cameras,
        derivative::{self, Small},
        door,
        gates::Gates,
        job::{Reply, Request},
        regions::FaceRegions,
    },
    faults,
};
use engine::Engine;
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
    if let (Request::Pictures { view, before_anchors, after_anchors, cameras, whites }, [before, after]) =
        (&request, parts)
    {
        let engine = engine.as_mut().ok_or(NOT_SET_UP)?;
        let anchors = [*before_anchors, *after_anchors];
        let (pictures, parts) = pictures::make(engine, view, anchors, [before, after], (cameras, *whites))?;
        return Ok((Reply::Pictures(pictures), parts));
    }
    if let (Request::Derive, [picture]) = (&request, parts) {
        if engine.is_none() {
            limits::set(DERIVE_MIB)?;
        }
        return derive(picture).map(|Small { report, derivative }| (Reply::Derived, vec![report, derivative]));
    }
    bare(engine, request, parts).map(|reply| (reply, Vec::new()))
}

/// Address space of a process that was not set up and makes small pictures only: the largest photograph takes 240 MB.
const DERIVE_MIB: u32 = 1024;
const NOT_SET_UP: &str = "the inference process was not set up";

fn bare(engine: &mut Option<Engine>, request: Request, parts: &[Vec<u8>]) -> Result<Reply, String> {
    if let Request::Setup { onnxruntime, memory_mib } = request {
        *engine = Some(set_up(&onnxruntime, memory_mib, parts)?);
        return Ok(Reply::Ready { provider: onnx::PROVIDER.to_owned() });
    }
    let engine = engine.as_mut().ok_or(NOT_SET_UP)?;
    match (request, parts) {
        (Request::Setup { .. }, _) => Err("set-up happens once".into()),
        (Request::Ping, _) => Ok(Reply::Pong),
        (Request::Activate { folder, pinned }, _) => {
            engine.activate(Path::new(&folder), pinned.as_deref(), false).map(|model| Reply::Activated { model })
        }
        (Request::Try { folder, pinned }, _) => {
            engine.activate(Path::new(&folder), pinned.as_deref(), true).map(|model| Reply::Activated { model })
        }
        (Request::Look { view, anchors }, [picture]) => {
            levels::look(engine, &view, anchors, picture).map(|(levels, ..)| Reply::Levels(levels))
        }
        (Request::Gate { view, shot, before: None }, [picture]) => {
            gate::gate(engine, &view, (&shot, picture), None).map(Reply::Gated)
        }
        (Request::Gate { view, shot, before: Some(before) }, [picture, earlier]) => {
            gate::gate(engine, &view, (&shot, picture), Some((&before, earlier))).map(Reply::Gated)
        }
        (Request::Levels { view, anchors }, [picture]) => {
            levels::measure(engine, &view, anchors, picture, "", None).map(Reply::Levels)
        }
        (Request::Measure { view, anchors, camera }, [picture]) => {
            levels::measure(engine, &view, anchors, picture, &camera, None).map(Reply::Levels)
        }
        (Request::MeasureBy { view, anchors, camera, models }, [picture]) => {
            levels::measure(engine, &view, anchors, picture, &camera, Some(&models)).map(Reply::Levels)
        }
        (Request::Evaluate { model, face, px_per_mm }, [picture]) => {
            evaluate::measure(engine, &model, face.as_ref(), px_per_mm, picture).map(Reply::Evaluated)
        }
        (Request::Paired { view, before_anchors, after_anchors }, [before, after]) => {
            pairs::measure(engine, &view, [before_anchors, after_anchors], [before, after], None).map(Reply::Paired)
        }
        (Request::PairedBy { view, before_anchors, after_anchors, models }, [before, after]) => {
            let anchors = [before_anchors, after_anchors];
            pairs::measure(engine, &view, anchors, [before, after], Some(&models)).map(Reply::Paired)
        }
        _ => Err("the request came with the wrong number of pictures".into()),
    }
}

/// Needs neither library nor model.
fn derive(picture: &[u8]) -> Result<Small, String> {
    let admitted = door::admit(picture).map_err(|refused| refused.to_string())?;
    derivative::derive(&admitted).map_err(|fault| fault.to_string())
}

/// Limits first, so that even loading the library stays within them.
fn set_up(onnxruntime: &str, memory_mib: u32, texts: &[Vec<u8>]) -> Result<Engine, String> {
    limits::set(memory_mib)?;
    let [regions, others @ ..] = texts else { return Err("set-up needs face-regions.toml".into()) };
    let text = |bytes: &[u8], name: &str| String::from_utf8(bytes.to_vec()).map_err(|_| format!("{name} is not UTF-8"));
    let regions = FaceRegions::parse(&text(regions, "face-regions.toml")?).map_err(|e| e.to_string())?;
    let (gates, cameras) = match others {
        [] => (Gates::usual(), Cameras::default()),
        [gates, cameras] => (
            Gates::parse(&text(gates, "quality-gates.toml")?).map_err(|e| e.to_string())?,
            Cameras::parse(&text(cameras, "cameras.toml")?).map_err(|e| e.to_string())?,
        ),
        _ => return Err("set-up takes one text or three".into()),
    };
    let runtime = onnx::Runtime::load(Path::new(onnxruntime)).map_err(|e| e.to_string())?;
    faults::point("worker.set_up");
    Ok(Engine::new(runtime, regions, gates, cameras))
}
