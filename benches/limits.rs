//! How near the product comes to what its libraries can do at most: each pair runs in one process, and what counts is the
//! ratio. `cargo bench --bench limits`; the table of ratios is printed at the end.
//!
//! - group commit: measurements made durable by the store, against the same rows written in batches of the same size on a
//!   bare SQLCipher connection with the same settings, whose log is folded by another thread as the store's is. Beside it the
//!   same connection as SQLite leaves it, folding within its commits: slower, and no measure of anything but that;
//! - single values: [`CALLERS`] callers who each wait for their own value, against the same rows in one bare transaction;
//! - encrypted picture: a photograph taken in by the store, against the same bytes written as durably without encryption, the
//!   disk begun as early, and one bare transaction for its row;
//! - inference: a model run by its manifest with deadline, against a bare `ort` session on the same tensor.
//!
//! The first two by criterion, one side after the other; the last two turn by turn ([`pair`]).

#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up ends")]

#[path = "limits/bare.rs"]
mod bare;
#[path = "limits/house.rs"]
mod house;
#[path = "limits/pair.rs"]
mod pair;
#[path = "limits/ratios.rs"]
mod ratios;

use bare::{Bare, Folds};
use criterion::{BatchSize, Criterion, Throughput};
use futures_util::future::join_all;
use house::House;
use pair::{Pair, timed};
use skinlink::{
    adapters::onnx::{Model, Runtime},
    analysis::{
        manifest::Manifest,
        tensor::{Data, Tensor},
    },
};
use std::{fs, path::Path, time::Duration};
use tokio::runtime;

/// Values in one commit: what a fast stream gathers.
const BATCH: usize = 256;

/// Callers at once.
const CALLERS: u64 = 256;

/// Turns of the pairs that are measured turn by turn.
const TURNS: usize = 300;

/// A photograph of a station's camera.
const PICTURE: usize = 2 << 20;

fn commits(criterion: &mut Criterion) {
    let tokio = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let house = tokio.block_on(House::open());
    let mut group = criterion.benchmark_group("group commit");
    group.throughput(Throughput::Elements(BATCH as u64)).measurement_time(Duration::from_secs(8)).sample_size(40);
    group.bench_function("store", |bencher| {
        bencher.iter_batched(
            || house.measurements(BATCH),
            |batch| tokio.block_on(house.store.record_measurements(batch)).unwrap(),
            BatchSize::SmallInput,
        );
    });
    let bodies = tokio.block_on(house.bodies(BATCH));
    let mut bare = Bare::beside(&house, Folds::Aside);
    group.bench_function("bare", |bencher| bencher.iter(|| bare.events(&bodies)));
    let mut inside = Bare::beside(&house, Folds::Inside);
    group.bench_function("bare inside", |bencher| bencher.iter(|| inside.events(&bodies)));
    drop(inside);
    group.finish();

    let mut group = criterion.benchmark_group("single values");
    group.throughput(Throughput::Elements(CALLERS)).measurement_time(Duration::from_secs(8)).sample_size(40);
    let mut counter = 0;
    group.bench_function("store", |bencher| {
        bencher.iter(|| {
            counter += CALLERS;
            let values = (counter..counter + CALLERS).map(|n| house.store.record_repeat(house.repeat(n)));
            tokio.block_on(join_all(values)).into_iter().for_each(|recorded| assert!(!recorded.unwrap().again));
        });
    });
    group.bench_function("bare", |bencher| bencher.iter(|| bare.repeats(CALLERS)));
    group.finish();
}

fn pictures() -> Pair {
    let tokio = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let house = tokio.block_on(House::open());
    let bytes: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(PICTURE).collect();
    let mut bare = Bare::beside(&house, Folds::Aside);
    let ours = || {
        let (capture, bytes) = (house.capture(), bytes.clone());
        timed(|| tokio.block_on(house.store.save_capture(capture, bytes)).unwrap())
    };
    Pair::measure("encrypted picture", TURNS, ours, || timed(|| bare.picture(&bytes)))
}

fn inference() -> Pair {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = root.join("target/onnxruntime").join(skinlink::app::runtime::FILE);
    let runtime = Runtime::load(&library).expect("run `make setup` first");
    let folder = root.join("models/pores-dog");
    let manifest = Manifest::parse(&fs::read_to_string(folder.join("manifest.toml")).unwrap()).unwrap();
    let file = fs::read(folder.join(&manifest.file)).unwrap();
    let (input, output) = (manifest.input.name.clone(), manifest.outputs[0].name.clone());
    let mut model = Model::open(&runtime, manifest, &file).unwrap();
    let shape = [1, 3, 512, 512];
    let values: Vec<f32> = std::iter::repeat_with(fastrand::f32).take(3 * 512 * 512).collect();
    let tensor = Tensor { shape, data: Data::F32(values.clone()) };
    let mut session = bare::session(&runtime, &file);
    let ours = || timed(|| model.run(&tensor).unwrap());
    Pair::measure("inference", TURNS, ours, || timed(|| bare::infer(&mut session, &input, &output, shape, &values)))
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    commits(&mut criterion);
    criterion.final_summary();
    ratios::print(&[pictures(), inference()]);
}
