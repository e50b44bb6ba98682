//! The gateway's side: the task that owns the process.

use super::*;
use measuring::house_metrics;
use skinlink::{
    domain::{
        CaptureId,
        capture::Format,
        scan::{Phase, ScanState},
    },
    store::NewCapture,
    sync::{image_lane::Role, sheet::Pair},
    tasks::analysis::{Settings, channel, run},
};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn a_photograph_left_half_done_is_measured_after_the_start() {
    let gateway = Gateway::start(good_recipe()).await;
    let picture = gateway.store.capture_bytes(gateway.capture).await.unwrap();
    let looked = within(gateway.handle.look(View::Left, ANCHORS, picture, None)).await.unwrap();
    let failed: Vec<&str> = looked.failed.iter().map(|gate| gate.gate.as_str()).collect();
    assert_eq!(failed, ["too_small"]);
    // Whoever asks comes first, so what was left over may still be under way.
    within(async {
        while gateway.handle.awaits(gateway.capture) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(gateway.scores().await, 2, "measured although nobody asked");
    assert!(gateway.store.unfinished_captures().await.unwrap().is_empty());
    let model = &gateway.handle.models()[0];
    let known = gateway.handle.repeatability(&model.engine, &MetricId::new("pores").unwrap());
    assert!(known.is_some_and(|known| known.degrees_of_freedom >= 30), "the manifest says how it repeats itself");
    gateway.end().await;
}

/// The program under a name of its own, so that a test kills no other test's process.
pub fn to_be_killed(folder: &TempDir) -> PathBuf {
    let program = folder.path().join("skinlink-to-be-killed");
    fs::hard_link(env!("CARGO_BIN_EXE_skinlink"), &program)
        .or_else(|_| fs::copy(env!("CARGO_BIN_EXE_skinlink"), &program).map(|_| ()))
        .unwrap();
    program
}

pub fn killed(program: &Path) {
    let mine = children_running(program);
    assert_eq!(mine.len(), 1, "one process, whatever was asked");
    for pid in mine {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
    }
}

#[tokio::test]
async fn a_killed_process_is_replaced_and_the_question_answered() {
    let folder = TempDir::new().unwrap();
    let program = to_be_killed(&folder);
    let gateway = Gateway::start(recipe(program.to_str().unwrap(), LIMIT)).await;
    within(gateway.handle.analyse(gateway.capture)).await.unwrap();
    killed(&program);
    let again = within(gateway.handle.analyse(gateway.capture)).await.unwrap();
    assert_eq!(again.scores.len(), 2, "the new process knows the model as well");
    let pairs = within(gateway.handle.pair(gateway.capture, gateway.capture)).await.unwrap();
    let Ok(PairedFound::Peaks(counts)) = pairs[0].outcome else { panic!("a picture registers on itself: {pairs:?}") };
    let Ok(PairedFound::Response(same)) = pairs[1].outcome else { panic!("two measures: {pairs:?}") };
    // Not to the last bit: places are sampled in single precision, by two ways.
    let apart = (same.after - same.before).abs();
    assert!(same.before > 0.0 && apart < 1e-4 * same.before, "{same:?}");
    assert_eq!((counts.lost, counts.gained), (0, 0));
    gateway.end().await;
}

#[tokio::test]
async fn a_job_past_its_deadline_ends_the_process_and_nothing_else() {
    let gateway = Gateway::start(recipe(env!("CARGO_BIN_EXE_skinlink"), Duration::from_millis(1))).await;
    for _ in 0..2 {
        let error = within(gateway.handle.analyse(gateway.capture)).await.unwrap_err();
        assert!(matches!(error, AnalysisError::Child(ChildError::TimedOut(_))), "{error}");
    }
    assert_eq!(gateway.scores().await, 0);
    assert_eq!(
        gateway.store.unfinished_captures().await.unwrap(),
        [(gateway.capture, false)],
        "it waits for the next start"
    );
    gateway.end().await;
}

#[tokio::test]
async fn a_process_that_cannot_start_is_told_and_the_gateway_goes_on() {
    for (program, words) in [("/nonexistent/skinlink", "cannot be started"), ("/bin/true", "cannot be started")] {
        let gateway = Gateway::start(recipe(program, LIMIT)).await;
        let error = within(gateway.handle.analyse(gateway.capture)).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert!(gateway.store.capture(gateway.capture).await.is_ok());
        gateway.stop.cancel();
        gateway.end().await;
    }
}

/// A pair measured ahead by the guide's points kept its result when a person had said where the face really lies.
#[tokio::test]
async fn a_pair_is_measured_anew_once_its_points_are_confirmed() {
    let gateway = Gateway::start(good_recipe()).await;
    let store = &gateway.store;
    let about = store.capture(gateway.capture).await.unwrap();
    let visit = store.scan(about.scan).await.unwrap().visit;
    let second = second(&gateway, Skin::new(3, 0).taken(Shot { seed: 2, ..STILL })).await;
    let refusals = async || -> Vec<String> {
        let found = within(gateway.handle.pair(gateway.capture, second)).await.unwrap();
        found.iter().filter_map(|pair| pair.outcome.as_ref().err().map(ToString::to_string)).collect()
    };
    // Anchors of the before picture so near each other that it looks too coarse to be measured.
    let confirmed = async |anchors: [[f64; 2]; 2]| {
        let points = skinlink::domain::capture::FacePoints { anchors, nose: [280.0, 700.0] };
        let version = store.visit(visit).await.unwrap().version;
        store.confirm_points(gateway.capture, version, points, "b-07".into()).await.unwrap();
        within(gateway.handle.analyse(gateway.capture)).await.unwrap();
    };
    confirmed([[280.0, 400.0], [280.0, 900.0]]).await;
    assert_eq!(gateway.scores().await, 0, "what the guide's points had given does not go on counting");
    assert!(refusals().await.contains(&"too_coarse".to_owned()));
    confirmed(ANCHORS).await;
    assert_eq!(refusals().await, [""; 0], "the new points count");
    assert_eq!(gateway.scores().await, 2);
    gateway.end().await;
}

/// A model exchanged in the middle of a visit left its before picture measured by the old one, so that nothing compared any more.
#[tokio::test]
async fn an_open_visit_is_measured_again_by_the_model_that_has_come() {
    let gateway = Gateway::start(good_recipe()).await;
    within(gateway.handle.analyse(gateway.capture)).await.unwrap();
    let folder = TempDir::new().unwrap();
    let home = copy_of_the_model(&folder);
    let manifest = fs::read_to_string(home.join("manifest.toml")).unwrap();
    let version = manifest.lines().find(|line| line.starts_with("version = ")).unwrap().to_owned();
    // Other rules under the same version are refused: scores of both would be held against each other.
    fs::write(home.join("manifest.toml"), manifest.replace("kept_threshold = 0.7", "kept_threshold = 0.6")).unwrap();
    let refused = within(gateway.handle.activate(&home)).await.unwrap_err().to_string();
    assert!(refused.contains("give the manifest a new version"), "{refused}");
    fs::write(home.join("manifest.toml"), manifest.replace(&version, "version = \"9.9.9\"")).unwrap();
    within(gateway.handle.activate(&home)).await.unwrap();
    let versions = async || -> Vec<String> {
        let scan = gateway.store.capture(gateway.capture).await.unwrap().scan;
        let scores = gateway.store.scan_view(scan).await.unwrap().scores;
        scores.into_iter().map(|score| score.engine.model_version).collect()
    };
    let measured_by = async |version: &str| {
        within(async {
            while versions().await != [version, version] {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
    };
    measured_by("9.9.9").await;

    // And when the model was exchanged while the gateway was off.
    gateway.stop.cancel();
    let Gateway { store, task, .. } = &gateway;
    within(async {
        while !task.is_finished() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let settings = Settings { worker: good_recipe(), models: vec![pores()], metrics: house_metrics() };
    let (_handle, inbox) = channel();
    let stop = CancellationToken::new();
    #[expect(clippy::disallowed_methods, reason = "this test is the supervisor")]
    let again = tokio::spawn(run(settings, store.clone(), inbox, stop.clone()));
    measured_by(version.split('"').nth(1).unwrap()).await;
    stop.cancel();
    within(again).await.unwrap();
    gateway.end().await;
}

/// What was to be measured again by a model that had come could neither be watched nor be called off.
#[tokio::test]
async fn measuring_again_can_be_watched_and_called_off() {
    let gateway = Gateway::start(good_recipe()).await;
    within(gateway.handle.analyse(gateway.capture)).await.unwrap();
    let mut captures = vec![gateway.capture];
    for seed in 2..=5 {
        let after = second(&gateway, Skin::new(3, 0).taken(Shot { seed, ..STILL })).await;
        within(gateway.handle.analyse(after)).await.unwrap();
        captures.push(after);
    }
    let folder = TempDir::new().unwrap();
    let home = copy_of_the_model(&folder);
    rewrite(&home.join("manifest.toml"), |text| text.replace("version = \"1.1.0\"", "version = \"9.9.9\""));
    let mut progress = gateway.handle.remeasuring();
    assert_eq!(*progress.borrow_and_update(), None);
    within(gateway.handle.activate(&home)).await.unwrap();
    // Whoever looks may come late, so that some are done already.
    let later = within(progress.wait_for(Option::is_some)).await.unwrap().unwrap();
    assert!(later.total == captures.len() && later.done < later.total, "{later:?}");
    assert_eq!(later.left.is_some(), later.done > 0, "{later:?}");
    let left = within(gateway.handle.leave_as_measured()).await.unwrap();
    assert!(left <= captures.len(), "{left} of {} stay", captures.len());
    assert_eq!(*progress.borrow_and_update(), None);
    assert!(captures.iter().all(|capture| !gateway.handle.awaits(*capture)), "nobody waits for them any more");
    let mut by_version = std::collections::BTreeMap::<String, usize>::new();
    for capture in &captures {
        let scan = gateway.store.capture(*capture).await.unwrap().scan;
        let scores = gateway.store.scan_view(scan).await.unwrap().scores;
        let of = scores.iter().find(|score| score.capture == *capture).expect("each has its scores");
        *by_version.entry(of.engine.model_version.clone()).or_default() += 1;
    }
    let of = |version: &str| by_version.get(version).copied().unwrap_or_default();
    assert_eq!(of("1.1.0"), left, "they stay as they were measured: {by_version:?}");
    assert_eq!(of("9.9.9"), captures.len() - left);
    assert_eq!(within(gateway.handle.leave_as_measured()).await.unwrap(), 0);
    gateway.end().await;
}

/// A before photograph and the same skin moved a little, with a fifth of its pores gone, by the same camera.
async fn second(gateway: &Gateway, picture: Vec<u8>) -> CaptureId {
    let store = &gateway.store;
    let about = store.capture(gateway.capture).await.unwrap();
    let visit = store.scan(about.scan).await.unwrap().visit;
    let scans = store.visit_view(visit).await.unwrap().scans;
    let scan = match scans.iter().find(|scan| scan.scan.phase == Phase::After) {
        Some(scan) => scan.scan.id,
        None => {
            store.set_scan_state(about.scan, ScanState::Finished).await.unwrap();
            let plan = store.scan(about.scan).await.unwrap().plan;
            store.begin_scan(visit, None, Phase::After, plan).await.unwrap().id
        }
    };
    let new = NewCapture {
        scan,
        view: about.view,
        light: about.light,
        format: about.format,
        width: about.width,
        height: about.height,
        anchors: ANCHORS,
        complaints: Vec::new(),
        camera: about.camera.clone(),
        taken: skinlink::clock::now(),
    };
    store.save_capture(new, picture).await.unwrap().id
}

/// The pair of `after` once its pictures have another basis than `was`.
async fn drawn(gateway: &Gateway, after: CaptureId, was: Option<[u8; 32]>) -> ([u8; 32], Pair) {
    within(async {
        loop {
            match gateway.store.pair_basis(after).await.unwrap() {
                Some(basis) if Some(basis) != was => {
                    let scan = gateway.store.capture(after).await.unwrap().scan;
                    let visit = gateway.store.scan(scan).await.unwrap().visit;
                    let pairs = gateway.store.visit_view(visit).await.unwrap().pairs;
                    if let Some(found) = pairs.into_iter().find(|pair| pair.after == after) {
                        return (basis, found.pair);
                    }
                }
                _ => tokio::time::sleep(Duration::from_millis(30)).await,
            }
        }
    })
    .await
}

const MOVED: Shot = Shot { degrees: 2.0, size: 1.03, shift: [22.0, -16.0], gain: 0.85, noise: 1.5, seed: 2 };

/// Both photographs are there: the pictures are made once, in the background, by what is known now; other points or another model
/// make them anew, and the same ones do not.
#[tokio::test]
async fn the_pictures_of_a_pair_are_made_once_and_anew_when_points_or_models_are_others() {
    let gateway = Gateway::start(good_recipe()).await;
    let store = &gateway.store;
    within(gateway.handle.analyse(gateway.capture)).await.unwrap();
    let after = second(&gateway, Skin::new(3, 800).taken(MOVED)).await;
    gateway.handle.enqueue(after).await.unwrap();
    let (first, pair) = drawn(&gateway, after, None).await;
    assert_eq!(pair.refusal, "");
    let told: Vec<_> = pair.pictures.iter().map(|p| (p.role.as_str(), p.metric.as_str(), p.how.as_str())).collect();
    let expected = [
        ("pair_before", "", ""),
        ("pair_after", "", ""),
        ("change1", "pores", "marks"),
        ("change2", "pore-contrast", "tint"),
    ];
    assert_eq!(told, expected, "no card in view, so nothing is said of redness");
    let mut sizes = Vec::new();
    for picture in &pair.pictures {
        let role = Role::of(&picture.role).unwrap();
        let bytes = store.picture_bytes(after, role).await.unwrap();
        assert!(bytes.len() <= skinlink::analysis::change::MOST_BYTES, "{role:?}: {} bytes", bytes.len());
        assert_eq!(hex::encode(openssl::sha::sha256(&bytes))[..16], picture.sha256);
        sizes.push(image::load_from_memory(&bytes).unwrap().into_rgb8().dimensions());
    }
    assert!(sizes.iter().all(|size| *size == sizes[0]), "one frame: {sizes:?}");
    // Measured again with the same points and models: nothing is drawn again.
    let wrote =
        |at: &str| fs::metadata(gateway.data().join(format!("pictures/{after}.{at}"))).unwrap().modified().unwrap();
    let before = wrote("pair_after");
    within(gateway.handle.analyse(after)).await.unwrap();
    within(gateway.handle.analyse(gateway.capture)).await.unwrap();
    within(gateway.handle.pair(gateway.capture, after)).await.unwrap();
    assert_eq!((store.pair_basis(after).await.unwrap(), wrote("pair_after")), (Some(first), before));
    // A person says where the face of the before photograph is: the after photograph's own points stay, the pair is another.
    let moved = ANCHORS.map(|[x, y]| [x + 3.0, y]);
    let visit = store.scan(store.capture(after).await.unwrap().scan).await.unwrap().visit;
    let confirm = async |capture: CaptureId, anchors| {
        let points = skinlink::domain::capture::FacePoints { anchors, nose: [280.0, 700.0] };
        let version = store.visit(visit).await.unwrap().version;
        store.confirm_points(capture, version, points, "b-07".into()).await.unwrap();
        gateway.handle.enqueue(capture).await.unwrap();
    };
    confirm(after, ANCHORS).await;
    confirm(gateway.capture, moved).await;
    let (second, pair) = drawn(&gateway, after, Some(first)).await;
    assert_eq!(pair.pictures.len(), 4);
    // Another model is in use.
    let folder = TempDir::new().unwrap();
    let home = copy_of_the_model(&folder);
    rewrite(&home.join("manifest.toml"), |text| text.replace("version = \"1.1.0\"", "version = \"9.9.9\""));
    within(gateway.handle.activate(&home)).await.unwrap();
    let (third, pair) = drawn(&gateway, after, Some(second)).await;
    assert!(third != second && pair.pictures.len() == 4);
    gateway.end().await;
}

/// Strangers are not laid onto each other, nor photographs of two cameras; both are said and not tried again.
#[tokio::test]
async fn a_pair_that_does_not_belong_together_says_why_and_has_no_pictures() {
    let gateway = Gateway::start(good_recipe()).await;
    let after = second(&gateway, Skin::new(4, 0).taken(STILL)).await;
    gateway.handle.enqueue(after).await.unwrap();
    let (_, pair) = drawn(&gateway, after, None).await;
    assert_eq!((pair.refusal.as_str(), pair.pictures.len()), ("not_registered", 0));
    gateway.end().await;
}

/// The gateway ended between the second photograph and its pictures.
#[tokio::test]
async fn pictures_that_a_crash_left_out_are_made_after_the_start() {
    let gateway = Gateway::start(good_recipe()).await;
    within(gateway.handle.analyse(gateway.capture)).await.unwrap();
    gateway.stop.cancel();
    within(async {
        while !gateway.task.is_finished() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let after = second(&gateway, Skin::new(3, 800).taken(MOVED)).await;
    // Its scores and its small picture stand: nothing but the pair is left to do.
    gateway.store.save_picture(after, Role::Report, Format::Jpeg, vec![1; 10]).await.unwrap();
    let visit = gateway.store.scan(gateway.store.capture(after).await.unwrap().scan).await.unwrap().visit;
    let scan = gateway.store.capture(after).await.unwrap().scan;
    gateway.store.set_scan_state(scan, ScanState::Finished).await.unwrap();
    gateway.store.close_visit(visit, None, "staff-1".into()).await.unwrap();
    assert!(gateway.store.unfinished_captures().await.unwrap().is_empty());
    let settings = Settings { worker: good_recipe(), models: vec![pores()], metrics: house_metrics() };
    let (_handle, inbox) = channel();
    let stop = CancellationToken::new();
    #[expect(clippy::disallowed_methods, reason = "this test is the supervisor")]
    let again = tokio::spawn(run(settings, gateway.store.clone(), inbox, stop.clone()));
    let (_, pair) = drawn(&gateway, after, None).await;
    assert_eq!(pair.pictures.len(), 4);
    stop.cancel();
    within(again).await.unwrap();
    gateway.end().await;
}
