//! Those who would shut others out, at the desk in the store: many connections, slow ones, many guesses at once, many words.

use crate::{Side, house::House};
use skinlink::{
    clock,
    domain::{FeedbackId, consent::Purpose, feedback::Topic},
    doorway::{self, Bounds, Door, Patience},
    store::NewFeedback,
};
use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

/// From another address of this machine.
async fn from(last: u8, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from(([127, 0, 0, last], 0))).expect("all of 127/8 is this machine");
    socket.connect(to).await.expect("a connection")
}

/// Whether the other side has not hung up yet.
fn is_held(stream: &TcpStream) -> bool {
    stream.try_read(&mut [0_u8; 8]).is_err_and(|fault| fault.kind() == io::ErrorKind::WouldBlock)
}

/// Whether the other side hangs up by itself; what it said before.
async fn hung_up(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    match timeout(LIMIT, stream.read_to_end(&mut said)).await.expect("it hangs up") {
        Ok(_) => {}
        Err(fault) => assert_eq!(fault.kind(), io::ErrorKind::ConnectionReset, "{fault}"),
    }
    String::from_utf8_lossy(&said).into_owned()
}

/// Something to ask for, behind a door for three connections of one address.
async fn page(patience: Patience, stop: &CancellationToken) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
    let address = listener.local_addr().expect("bound");
    let door = Door::new(listener, Bounds { connections: 6, of_one: 3 });
    let page = axum::Router::new().fallback(|| async { "a page" });
    #[expect(clippy::disallowed_methods, reason = "the test ends it itself")]
    let serving = tokio::spawn(doorway::serve(door, page, patience, stop.clone()));
    (address, serving)
}

/// Silent connections stayed open for ever, as many as one liked, and one byte a while kept a request unfinished.
#[tokio::test]
async fn silent_and_slow_callers_are_hung_up_on_and_one_address_does_not_take_all_places() {
    let (stop, patience) = (CancellationToken::new(), Patience { head: Duration::from_secs(4), whole: None });
    let (address, serving) = page(patience, &stop).await;
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(from(2, address).await);
    }
    let mut one_more = from(2, address).await;
    assert_eq!(hung_up(&mut one_more).await, "", "a fourth of one address");
    assert!(silent.iter().all(is_held), "it was hung up on for its silence only, like the others");
    // Another address is served meanwhile, twice over one connection.
    let mut other = from(3, address).await;
    for _ in 0..2 {
        other.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
        let mut answer = [0_u8; 512];
        let length = timeout(LIMIT, other.read(&mut answer)).await.expect("an answer").expect("read");
        assert!(answer[..length].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..length]));
    }
    for stream in &mut silent {
        hung_up(stream).await;
    }
    hung_up(&mut other).await;
    // A head that comes byte by byte, for as long as the other side listens.
    let mut slow = from(2, address).await;
    slow.write_all(b"GET / HTTP/1.1\r\n").await.expect("sent");
    let dripped = timeout(LIMIT, async {
        while slow.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(50)).await
        }
    });
    dripped.await.expect("it hangs up on a head without end");
    // One that goes on asking has its time too, where it is said how long.
    let patience = Patience { head: LIMIT, whole: Some(Duration::from_secs(1)) };
    let (address, another) = page(patience, &stop).await;
    let mut busy = from(2, address).await;
    let asked = async {
        loop {
            if busy.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.is_err() {
                return;
            }
            let mut answer = [0_u8; 512];
            if !matches!(busy.read(&mut answer).await, Ok(length) if length > 0) {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(LIMIT, asked).await.expect("a connection ends in time");
    stop.cancel();
    serving.await.expect("it ends well");
    another.await.expect("it ends well");
}

/// The pages of the contract took any number of connections for any time: a script that opens one after another left no file to open
/// for the receiver itself.
#[tokio::test]
async fn the_pages_of_the_contract_are_for_a_few_callers_of_one_address() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
    let (free, stop) = (listener.local_addr().expect("bound"), CancellationToken::new());
    drop(listener);
    #[expect(clippy::disallowed_methods, reason = "the test ends it itself")]
    let serving = tokio::spawn(skinlink::hq::documents::serve(free, stop.clone()));
    let up = timeout(LIMIT, async {
        while TcpStream::connect(free).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    });
    up.await.expect("it is served");
    let mut silent = Vec::new();
    for _ in 0..16 {
        silent.push(from(2, free).await);
    }
    let mut one_more = from(2, free).await;
    assert_eq!(hung_up(&mut one_more).await, "", "a seventeenth of one address");
    let mut other = from(3, free).await;
    other.write_all(b"GET /contract/ HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    let mut answer = [0_u8; 512];
    let length = timeout(LIMIT, other.read(&mut answer)).await.expect("an answer").expect("read");
    assert!(answer[..length].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..length]));
    stop.cancel();
    serving.await.expect("no panic").expect("it ends well");
}

#[tokio::test]
async fn the_desk_keeps_a_place_for_the_next_customer() {
    let house = House::new(Side::Sqlite).await;
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(from(2, house.local).await);
    }
    let mut one_more = from(2, house.local).await;
    assert_eq!(hung_up(&mut one_more).await, "", "one address has taken its places");
    assert!(silent.iter().all(is_held), "it was hung up on for its silence only, like the others");
    let mut customer = from(3, house.local).await;
    customer.write_all(b"GET /r/x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.expect("sent");
    let answer = hung_up(&mut customer).await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    drop(silent);
    house.end(None).await;
}

/// All saw that something was left before the first of them was counted.
#[tokio::test]
async fn guesses_sent_at_once_find_no_more_than_guesses_sent_one_by_one() {
    let house = House::new(Side::Sqlite).await;
    let begun = tokio::time::Instant::now();
    let mut guessers = Vec::new();
    for _ in 0..60 {
        guessers.push(TcpStream::connect(house.local).await.expect("a connection"));
    }
    // All are there before any is answered.
    for (at, guesser) in guessers.iter_mut().enumerate() {
        let head = format!("GET /r/{at:032x} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        guesser.write_all(head.as_bytes()).await.expect("sent");
    }
    let mut answered = Vec::new();
    for guesser in &mut guessers {
        let answer = hung_up(guesser).await;
        answered.push(answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0_u16));
    }
    let looked_up = answered.iter().filter(|status| **status == 404).count() as u64;
    let allowed = 21 + begun.elapsed().as_secs() / 10;
    assert!(looked_up <= allowed, "{looked_up} were looked up, {allowed} allowed");
    assert!(answered.iter().all(|status| [404, 429].contains(status)), "{answered:?}");
    house.end(None).await;
}

/// Whoever had the link could fill the salon's list, and headquarters' table, without end.
pub(crate) async fn of_one_visit_only_so_much_is_taken_but_a_withdrawal_always(side: Side) {
    let house = House::new(side).await;
    let running = house.connect();
    house.agree(Purpose::ALL).await;
    let visit = house.visit(false).await;
    let path = format!("/r/{}", house.link(visit, 90).await);
    house.until(house.public, &path, reqwest::StatusCode::OK).await;
    let said = |nth: usize| NewFeedback {
        id: clock::mint(FeedbackId::from_bits),
        visit,
        topic: Topic::Visit,
        stars: Some(5),
        words: format!("{nth}"),
        given: clock::now().wall,
        at_hq: false,
    };
    let first = said(0);
    assert!(house.salon.store.hear_feedback(vec![first.clone()]).await.expect("a store"));
    for nth in 1..20 {
        assert!(house.salon.store.hear_feedback(vec![said(nth)]).await.expect("a store"), "{nth}");
    }
    assert!(house.salon.store.hear_feedback(vec![first]).await.expect("a store"), "the same again is nothing new");
    assert!(!house.salon.store.hear_feedback(vec![said(20)]).await.expect("a store"));
    house
        .eventually("all of it there", |engine| {
            (crate::house::texts(engine, "SELECT feedback FROM feedback_facts").len() == 20).then_some(())
        })
        .await;
    let form = [("once", "f1"), ("stars", "1"), ("words", "还有"), ("call", "on")];
    for at in [house.public, house.local] {
        let answer = house.post(at, &format!("{path}/feedback"), &form).await;
        assert!(answer.status == 422 && answer.text().contains("不能再留言"), "{}", answer.text());
        assert!(answer.text().contains("撤回同意仍可在这里提交"), "{}", answer.text());
    }
    assert_eq!(house.salon.store.feedback(100).await.expect("a store").len(), 20, "all or nothing");
    let both: Vec<_> = form.into_iter().chain([("withdraw", "on")]).collect();
    let answer = house.post(house.public, &format!("{path}/feedback"), &both).await;
    assert!(answer.status == 200 && answer.text().contains("您的同意已撤回"), "{}", answer.text());
    assert!(answer.text().contains("新的没有收下"), "what was left out is said: {}", answer.text());
    house.until(house.local, &path, reqwest::StatusCode::NOT_FOUND).await;
    let said = house.salon.store.feedback(100).await.expect("a store");
    assert_eq!(
        said.iter().filter(|one| one.topic != Topic::Visit).map(|one| one.topic).collect::<Vec<_>>(),
        [Topic::Withdraw]
    );
    house.end(Some(running)).await;
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panicked").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Behind a proxy that nobody told us of all customers are one address: one who guesses shuts all out, and nobody knew why.
#[tokio::test]
async fn a_proxy_that_nobody_told_us_of_is_named_in_the_log_once() {
    let log = Log::default();
    let to = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || to.clone()).with_ansi(false).finish();
    // Of this thread, which runs the whole test.
    let _guard = tracing::subscriber::set_default(subscriber);
    let house = House::new(Side::Sqlite).await;
    for _ in 0..3 {
        let asked = house.client.get(format!("http://{}/r/x", house.local)).header("x-forwarded-for", "203.0.113.9");
        asked.send().await.expect("an answer");
    }
    let text = String::from_utf8(log.0.lock().expect("nobody panicked").clone()).expect("text");
    assert_eq!(text.matches("X-Forwarded-For").count(), 1, "{text}");
    assert!(text.contains("behind_proxy = true"), "{text}");
    assert!(!text.contains("203.0.113.9"), "an address is nobody's business: {text}");
    house.end(None).await;
}
