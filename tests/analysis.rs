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

    // Without the library of inference nothing is measured; the small picture is made all the same, in a process of its own.
    let worker = Recipe {
        program: env!("CARGO_BIN_EXE_skinlink").into(),
        onnxruntime: salon.folder.path().join("no-such-library"),
        memory_mib: 1024,
        regions: String::new(),
        gates: String::new(),
        cameras: String::new(),
        deadline: LIMIT,
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
                let kept = async |role: Role| salon.store.has_picture(capture, role).await.expect("a store");
                if done && (kept(Role::Report).await && kept(Role::Derivative).await) == wanted {
                    return;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(LIMIT, seen).await.unwrap_or_else(|_| panic!("{what}: not within {LIMIT:?}"));
    };
    until("the first attempt fails", false).await;
    fs::remove_dir(&in_its_way).expect("it is there");
    until("the small pictures", true).await;
    assert_eq!(salon.store.backlog().await.expect("a store").images, 2, "headquarters is owed both");
    stop.cancel();
    timeout(LIMIT, task).await.expect("it ends").expect("in peace");
}

/// The signs on the page have the colours that are drawn with.
#[test]
fn a_sign_has_the_colour_of_its_mark() {
    use skinlink::{
        analysis::change::{GAINED, LESS, LOST, MORE},
        domain::comparison::Drawn,
        report::{Lang, overlay},
    };
    let hex = |ink: [f32; 3]| format!("\"#{:02X}{:02X}{:02X}\"", ink[0] as u8, ink[1] as u8, ink[2] as u8);
    let marks = overlay::key(Lang::En, Drawn::Marks);
    let tint = overlay::key(Lang::En, Drawn::Tint);
    for (key, ink) in [(marks[0], LOST), (marks[1], GAINED), (tint[0], LESS), (tint[1], MORE)] {
        assert!(key.sign.contains(&hex(ink)), "{}: {}", key.words, hex(ink));
    }
}
