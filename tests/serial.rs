//! The serial link on real pseudo-terminals in real time.

#![expect(clippy::unwrap_used, reason = "helpers of a test may panic")]

#[path = "support/pty.rs"]
mod pty;

use pty::Plug;
use skinlink::{
    adapters::serial::SerialLink,
    ports::{Link, LinkError},
    protocol::spec::{FlowControl, Parity, Serial},
};
use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};

const PLAIN: Serial = Serial {
    baud: 115_200,
    data_bits: 8,
    parity: Parity::None,
    stop_bits: 1,
    flow: FlowControl::None,
    usb: Vec::new(),
};
const LIMIT: Duration = Duration::from_secs(5);

async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    timeout(LIMIT, work).await.unwrap_or_else(|_| panic!("{what}: not within {LIMIT:?}"))
}

async fn plugged() -> (tempfile::TempDir, Plug, SerialLink) {
    let folder = tempfile::tempdir().unwrap();
    let plug = Plug::insert(&folder.path().join("probe"));
    let link = soon("open", SerialLink::open(&plug.name, &PLAIN)).await.unwrap();
    (folder, plug, link)
}

#[tokio::test]
async fn every_byte_passes_unchanged_both_ways() {
    let (_folder, mut plug, mut link) = plugged().await;
    // Terminals translate and swallow some bytes (CR, XON, ^C, ^D) unless they are told not to: all 256 must pass.
    let all: Vec<u8> = (0..=255).collect();
    soon("send", link.send(&all)).await.unwrap();
    let mut there = vec![0; all.len()];
    soon("arrive", plug.wire.read_exact(&mut there)).await.unwrap();
    assert_eq!(there, all);

    soon("answer", plug.wire.write_all(&all)).await.unwrap();
    let mut back = Vec::new();
    while back.len() < all.len() {
        let mut slice = [0; 7];
        let count = soon("receive", link.recv(&mut slice)).await.unwrap();
        assert!(count > 0, "zero bytes would be a hang-up");
        back.extend_from_slice(&slice[..count]);
    }
    assert_eq!(back, all);
}

#[tokio::test]
async fn a_cancelled_recv_has_taken_nothing() {
    let (_folder, mut plug, mut link) = plugged().await;
    let sent: Vec<u8> = (0..2_000_u32).flat_map(u32::to_be_bytes).collect();
    let feed = async {
        for slice in sent.chunks(17) {
            plug.wire.write_all(slice).await.unwrap();
            tokio::task::yield_now().await;
        }
        std::future::pending::<()>().await;
    };
    let collect = async {
        let (mut got, mut buffer) = (Vec::new(), [0; 64]);
        while got.len() < sent.len() {
            // Ready first: the receiving future is dropped at its first suspension, over and over.
            tokio::select! {
                biased;
                received = link.recv(&mut buffer) => got.extend_from_slice(&buffer[..received.unwrap()]),
                () = tokio::task::yield_now() => {}
            }
        }
        got
    };
    let got = soon("all bytes", async {
        tokio::select! { () = feed => unreachable!("feeds for ever"), got = collect => got }
    })
    .await;
    assert_eq!(got, sent);
}

#[tokio::test]
async fn pulling_the_plug_is_noticed_and_stays_so() {
    let (_folder, plug, mut link) = plugged().await;
    let mut buffer = [0; 16];
    let pulled = Instant::now();
    let (noticed, ()) = tokio::join!(soon("notice", link.recv(&mut buffer)), async { drop(plug) });
    assert!(matches!(noticed, Err(LinkError::Gone(_))), "{noticed:?}");
    assert!(pulled.elapsed() < Duration::from_secs(8), "took {:?}", pulled.elapsed());
    for _ in 0..3 {
        let again = soon("receive again", link.recv(&mut buffer)).await;
        assert!(matches!(again, Err(LinkError::Gone(_))), "{again:?}");
        let written = soon("send again", link.send(b"are you there")).await;
        assert!(matches!(written, Err(LinkError::Gone(_))), "{written:?}");
    }
}

#[tokio::test]
async fn a_write_into_a_pulled_cable_says_gone() {
    let (_folder, plug, mut link) = plugged().await;
    drop(plug);
    let written = soon("send", link.send(b"measure")).await;
    assert!(matches!(written, Err(LinkError::Gone(_))), "{written:?}");
}

#[tokio::test]
async fn what_arrived_before_the_pull_is_still_read() {
    let (_folder, mut plug, mut link) = plugged().await;
    soon("last words", plug.wire.write_all(b"last words")).await.unwrap();
    let mut got = Vec::new();
    let mut buffer = [0; 4];
    while got.len() < 10 {
        let count = soon("receive", link.recv(&mut buffer)).await.unwrap();
        got.extend_from_slice(&buffer[..count]);
    }
    drop(plug);
    assert_eq!(got, b"last words");
    let end = soon("end", link.recv(&mut buffer)).await;
    assert!(matches!(end, Err(LinkError::Gone(_))), "{end:?}");
}

#[tokio::test]
async fn a_port_in_use_is_busy_and_free_again_once_closed() {
    let (_folder, plug, link) = plugged().await;
    let second = soon("second open", SerialLink::open(&plug.name, &PLAIN)).await;
    match second {
        Err(LinkError::Busy { port }) => assert_eq!(port, plug.name.display().to_string()),
        other => panic!("{other:?}"),
    }
    drop(link);
    soon("third open", SerialLink::open(&plug.name, &PLAIN)).await.unwrap();
}

#[tokio::test]
async fn what_is_missing_or_no_port_says_so_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("nothing-here");
    let answer = soon("open", SerialLink::open(&missing, &PLAIN)).await;
    assert!(matches!(&answer, Err(LinkError::Absent { what }) if what.ends_with("nothing-here")), "{answer:?}");

    let file = folder.path().join("a-file");
    fs::write(&file, "no terminal").unwrap();
    let answer = soon("open", SerialLink::open(&file, &PLAIN)).await;
    assert!(matches!(&answer, Err(LinkError::Io(e)) if e.to_string().contains("a-file")), "{answer:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "no terminal", "opening must not harm it");
}

#[tokio::test]
async fn an_empty_buffer_is_not_mistaken_for_a_hang_up() {
    let (_folder, mut plug, mut link) = plugged().await;
    soon("write", plug.wire.write_all(b"x")).await.unwrap();
    let answer = soon("receive", link.recv(&mut [])).await;
    assert!(matches!(answer, Err(LinkError::Io(_))), "{answer:?}");
    assert_eq!(soon("receive", link.recv(&mut [0; 4])).await.unwrap(), 1);
}

/// Closing a port with bytes that nobody takes must not hold a thread for the kernel's closing time (30 s).
#[tokio::test]
async fn closing_with_unsent_bytes_does_not_wait() {
    let (_folder, plug, mut link) = plugged().await;
    let flood = vec![b'x'; 1 << 16];
    let stuck = timeout(Duration::from_millis(200), link.send(&flood)).await;
    assert!(stuck.is_err(), "the far side reads nothing, so a terminal's buffer must fill up");
    let closing = Instant::now();
    drop(link);
    assert!(closing.elapsed() < Duration::from_secs(8), "closing took {:?}", closing.elapsed());
    drop(plug);
}

/// A simulator was killed and left its link behind. The number of its terminal went to the next one, and a gateway that was
/// still alive opened that by the old link, locked it and kept it: the rightful gateway found its line in use by another
/// program for as long as the other lived.
#[tokio::test]
async fn the_link_of_a_killed_simulator_does_not_open_somebody_else_s_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let (left_behind, stranger) = number_used_again(folder.path());
    let answer = soon("open", SerialLink::open(&left_behind, &PLAIN)).await;
    assert!(matches!(&answer, Err(LinkError::Absent { what }) if what.ends_with("left-behind")), "{answer:?}");
    soon("the rightful one opens", SerialLink::open(&stranger.name, &PLAIN)).await.unwrap();
}

/// A link whose terminal is gone, and a later terminal of the same number.
fn number_used_again(folder: &Path) -> (PathBuf, Plug) {
    let (left_behind, mut others) = (folder.join("left-behind"), Vec::new());
    for attempt in 0..100 {
        let plug = Plug::insert(&folder.join("killed"));
        let node = fs::read_link(&plug.name).unwrap();
        let _ = fs::remove_file(&left_behind);
        symlink(&node, &left_behind).unwrap();
        drop(plug);
        // Times of files come from a clock that ticks every few milliseconds.
        let ticked = folder.join("ticked");
        let made = |path: &Path| fs::symlink_metadata(path).map(|about| (about.ctime(), about.ctime_nsec())).unwrap();
        let limit = Instant::now() + LIMIT;
        loop {
            fs::write(&ticked, "").unwrap();
            if made(&ticked) > made(&left_behind) {
                break;
            }
            assert!(Instant::now() < limit, "the clock of files stands still");
            let _ = fs::remove_file(&ticked);
        }
        let next = Plug::insert(&folder.join(format!("stranger-{attempt}")));
        if fs::read_link(&next.name).unwrap() == node {
            return (left_behind, next);
        }
        others.push(next);
    }
    panic!("in 100 attempts somebody else was always faster");
}
