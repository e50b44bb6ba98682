//! The analysis beside a store that cannot take its work: what headquarters is owed does not wait for the next start.

#[expect(dead_code, reason = "shared with the store's own stories")]
#[path = "store/salon.rs"]
#[expect(clippy::unwrap_used, reason = "here an unwrap that fails is a story that fails")]
mod salon;

use image::{ImageFormat, Rgb, RgbImage};
use salon::{LIMIT, Salon, new_capture};
use skinlink::{
    domain::consent::Purpose,
    sync::image_lane::Role,
    tasks::analysis::{self, Recipe, Settings},
};
use std::{fs, io::Cursor, time::Duration};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

fn photograph() -> Vec<u8> {
    let picture = RgbImage::from_fn(300, 400, |x, y| Rgb([(x % 251) as u8, (y % 241) as u8, 128]));
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Jpeg).expect("a picture");
    bytes.into_inner()
}

/// The store could not keep the small picture of a photograph: its disk was full, or the visit was moved to another customer
/// while the file was written. Minutes later all was well again, but headquarters did not get the picture before the gateway
/// was started anew.
#[tokio::test]
async fn a_small_picture_that_could_not_be_kept_is_made_again() {
    let salon = Salon::new().await;
    for purpose in [Purpose::Photograph, Purpose::KeepPhotographs, Purpose::SharePhotographs] {
        salon.say(purpose, true).await;
    }
    let scan = salon.scan(salon.visit().await).await;
    let capture = salon.store.save_capture(new_capture(scan), photograph()).await.expect("kept").id;
    // A folder where the file is to be: no picture can take its name.
    let in_its_way = salon.data().join("pictures").join(format!("{capture}.report"));
    fs::create_dir(&in_its_way).expect("room for a folder");

    let nowhere = salon.folder.path().join("no-such-program");
    let worker = Recipe {
        program: nowhere.clone(),
        onnxruntime: nowhere,
        memory_mib: 1024,
        regions: String::new(),
        gates: String::new(),
        cameras: String::new(),
        deadline: Duration::from_secs(1),
    };
    let settings = Settings { worker, models: Vec::new(), metrics: Vec::new() };
    let (handle, inbox) = analysis::channel();
    let stop = CancellationToken::new();
    #[expect(clippy::disallowed_methods, reason = "the test watches this task itself")]
    let task = tokio::spawn(analysis::run(settings, salon.store.clone(), inbox, stop.clone()));
    let until = async |what: &str, wanted: bool| {
        let seen = async {
            loop {
                let done = !handle.awaits(capture);
                if done && salon.store.has_picture(capture, Role::Report).await.expect("a store") == wanted {
                    return;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(LIMIT, seen).await.unwrap_or_else(|_| panic!("{what}: not within {LIMIT:?}"));
    };
    until("the first attempt fails", false).await;
    fs::remove_dir(&in_its_way).expect("it is there");
    until("the small picture", true).await;
    assert_eq!(salon.store.backlog().await.expect("a store").images, 1, "headquarters is owed it");
    stop.cancel();
    timeout(LIMIT, task).await.expect("it ends").expect("in peace");
}
