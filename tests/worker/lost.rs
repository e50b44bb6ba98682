//! Models that lose their place under a running gateway, and those that keep it.

use super::{
    task::{killed, to_be_killed},
    *,
};
use measuring::house_metrics;
use skinlink::tasks::analysis::{Evaluator, ModelTrial, Settings, channel, run};
use tokio_util::sync::CancellationToken;

/// A model whose folder had become another one could not be loaded by a new inference process. That stood in the log alone: the model
/// went on being shown as in use, photographs lost its scores without a word, and whoever watched a rollout counted nothing.
#[tokio::test]
async fn a_model_that_cannot_be_loaded_again_is_told_and_what_it_gave_stays() {
    let folder = TempDir::new().unwrap();
    let program = to_be_killed(&folder);
    let gateway = Gateway::start(recipe(program.to_str().unwrap(), LIMIT)).await;
    let home = copy_of_the_model(&folder);
    let manifest = home.join("manifest.toml");
    rewrite(&manifest, |text| text.replace("version = \"1.1.0\"", "version = \"9.9.9\""));
    within(gateway.handle.activate(&home)).await.unwrap();
    within(gateway.handle.analyse(gateway.capture)).await.unwrap();
    let versions = async || -> Vec<String> {
        let scan = gateway.store.capture(gateway.capture).await.unwrap().scan;
        let scores = gateway.store.scan_view(scan).await.unwrap().scores;
        scores.into_iter().map(|score| score.engine.model_version).collect()
    };
    assert_eq!(versions().await, ["9.9.9", "9.9.9"]);
    // Whatever the exchange still had to do is done.
    within(async {
        while gateway.handle.awaits(gateway.capture) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let sound = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, format!("{sound}# somebody was here\n")).unwrap();
    killed(&program);

    let again = within(gateway.handle.analyse(gateway.capture)).await.unwrap();
    assert!(again.scores.is_empty(), "{again:?}");
    let told = again.skipped.iter().find(|reason| reason.starts_with("pores-dog: ")).expect("it is told");
    assert!(told.contains("cannot be loaded again"), "{told}");
    assert!(gateway.handle.models().is_empty(), "it is not in use any more");
    let lost = gateway.handle.lost().borrow().clone();
    assert!(lost["pores-dog"].contains("cannot be loaded again"), "{lost:?}");
    let health = gateway.handle.health().borrow()["pores-dog"];
    assert!(health.failed == 1 && health.measured >= 1, "{health:?}");
    assert_eq!(versions().await, ["9.9.9", "9.9.9"], "what it gave this photograph stays");
    // Rolled out, it is given back where none was installed. It was told of no more then, and nobody knew why nothing measured.
    within(gateway.handle.retire("pores-dog")).await.unwrap();
    assert_eq!(*gateway.handle.lost().borrow(), lost, "it was out of use already");

    // By other points it would be another measure: what the old ones gave does not go on counting.
    let visit = gateway.store.scan(gateway.store.capture(gateway.capture).await.unwrap().scan).await.unwrap().visit;
    let version = gateway.store.visit(visit).await.unwrap().version;
    let points = skinlink::domain::capture::FacePoints { anchors: ANCHORS, nose: [280.0, 700.0] };
    gateway.store.confirm_points(gateway.capture, version, points, "b-07".into()).await.unwrap();
    within(gateway.handle.analyse(gateway.capture)).await.unwrap();
    assert_eq!(gateway.scores().await, 0);

    fs::write(&manifest, sound).unwrap();
    within(gateway.handle.activate(&home)).await.unwrap();
    assert!(gateway.handle.lost().borrow().is_empty());
    // Measured without any model, the photograph had no score left, and no model that came missed it.
    within(async {
        while versions().await != ["9.9.9", "9.9.9"] {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    gateway.end().await;
}

/// One load that failed, with the same folder there, put the model out of use for good: a disk that did not answer for a moment was
/// enough.
#[tokio::test]
async fn a_model_whose_file_cannot_be_read_for_a_moment_stays_in_use() {
    let folder = TempDir::new().unwrap();
    let program = to_be_killed(&folder);
    let gateway = Gateway::start(recipe(program.to_str().unwrap(), LIMIT)).await;
    let home = copy_of_the_model(&folder);
    rewrite(&home.join("manifest.toml"), |text| text.replace("version = \"1.1.0\"", "version = \"9.9.9\""));
    within(gateway.handle.activate(&home)).await.unwrap();
    within(async {
        while gateway.handle.awaits(gateway.capture) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let (file, away) = (home.join("model.onnx"), home.join("away"));
    let gone_for = async |moment: Option<Duration>| {
        fs::rename(&file, &away).unwrap();
        killed(&program);
        let back = async {
            if let Some(moment) = moment {
                tokio::time::sleep(moment).await;
                fs::rename(&away, &file).unwrap();
            }
        };
        tokio::join!(within(gateway.handle.analyse(gateway.capture)), back).0.unwrap()
    };
    // The first new process finds no file, the second or the third one does.
    let again = gone_for(Some(Duration::from_millis(600))).await;
    let skipped = again.skipped.iter().any(|reason| reason.starts_with("pores-dog: "));
    assert!(again.scores.len() == 2 && !skipped, "{again:?}");
    assert!(gateway.handle.lost().borrow().is_empty());
    let without = gone_for(None).await;
    assert!(without.scores.is_empty(), "{without:?}");
    let lost = gateway.handle.lost().borrow().clone();
    assert!(lost["pores-dog"].contains("cannot be loaded again"), "{lost:?}");
    assert_eq!(gateway.scores().await, 2, "what it gave stays");
    gateway.end().await;
}

/// A campaign went on when its model had lost its place, and wrote trials down in which nothing was measured.
#[tokio::test]
async fn a_campaign_ends_where_its_model_is_lost() {
    let folder = TempDir::new().unwrap();
    let program = to_be_killed(&folder);
    let home = copy_of_the_model(&folder);
    let recipe = recipe(program.to_str().unwrap(), LIMIT);
    let tried = ModelTrial::new(recipe.clone()).run(&home).await.unwrap();
    let mut evaluator = Evaluator::start(recipe, &tried).await.unwrap();
    let picture = Skin::new(3, 0).taken(STILL);
    let levels = within(evaluator.levels("left", ANCHORS, &picture)).await.unwrap();
    assert_eq!(levels.scores.len(), 2);
    rewrite(&home.join("manifest.toml"), |text| format!("{text}# somebody was here\n"));
    killed(&program);
    let refused = within(evaluator.levels("left", ANCHORS, &picture)).await.unwrap_err();
    let words = refused.to_string();
    assert!(words.contains("does not measure any more") && words.contains("cannot be loaded again"), "{words}");
    let refused = within(evaluator.paired("left", [ANCHORS; 2], [&picture, &picture])).await.unwrap_err();
    assert!(matches!(refused, ChildError::Refused(_)), "{refused}");
}

/// A second folder of a model in use that was not sound put the model among the lost ones; and one whose manifest could not be read
/// was told by its folder's name, for good.
#[tokio::test]
async fn what_was_not_sound_at_the_start_is_lost_only_while_nothing_of_it_is_in_use() {
    let gateway = Gateway::start(good_recipe()).await;
    gateway.stop.cancel();
    within(async {
        while !gateway.task.is_finished() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let folder = TempDir::new().unwrap();
    let spoilt = copy_of_the_model(&folder);
    flip(&spoilt.join("model.onnx"));
    let unreadable = folder.path().join("mended");
    fs::rename(copy_of_the_model(&TempDir::new_in(folder.path()).unwrap()), &unreadable).unwrap();
    rewrite(&unreadable.join("manifest.toml"), |text| text.replace("version = \"1.1.0\"", "version = \"9.9.9\""));
    let sound = fs::read_to_string(unreadable.join("manifest.toml")).unwrap();
    fs::write(unreadable.join("manifest.toml"), "no manifest").unwrap();
    let models = vec![pores(), spoilt, unreadable.clone()];
    let settings = Settings { worker: good_recipe(), models, metrics: house_metrics() };
    let (handle, inbox) = channel();
    let stop = CancellationToken::new();
    #[expect(clippy::disallowed_methods, reason = "this test is the supervisor")]
    let again = tokio::spawn(run(settings, gateway.store.clone(), inbox, stop.clone()));
    within(handle.started()).await.unwrap();
    let lost: Vec<String> = handle.lost().borrow().keys().cloned().collect();
    assert_eq!(lost, ["mended"], "the installed one is in use");
    fs::write(unreadable.join("manifest.toml"), sound).unwrap();
    within(handle.activate(&unreadable)).await.unwrap();
    assert!(handle.lost().borrow().is_empty(), "{:?}", handle.lost().borrow());
    stop.cancel();
    within(again).await.unwrap();
    gateway.end().await;
}
