//! The gateway's name in the salon's network, asked for as a tablet does it, in a network of the test's own: the question is written
//! here byte by byte, so that the library does not answer itself.

use skinlink::adapters::announce::announce;
use std::{
    net::{Ipv4Addr, UdpSocket},
    process::Command,
    time::Duration,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const INSIDE: &str = "SKINLINK_TEST_OWN_NETWORK";
const STORY: &str = "lan_name::the_name_leads_to_the_gateway_whatever_address_the_router_gives";
const LIMIT: Duration = Duration::from_secs(60);

/// A network of two ends of a cable, for this process alone.
const NETWORK: &str = "ip link set lo up && ip link add v0 type veth peer name v1 && ip link set v1 up && ip link set v0 up \
    && ip addr add 10.7.0.2/24 dev v0 && ip route add 224.0.0.0/4 dev v0 && exec \"$@\"";

#[test]
fn the_name_leads_to_the_gateway_whatever_address_the_router_gives() {
    if std::env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        return runtime.block_on(inside());
    }
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net", "sh", "-c", NETWORK, "network"]).arg(program);
    let output = command.args(["--exact", STORY, "--nocapture"]).env(INSIDE, "1").output().expect("unshare is there");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

async fn inside() {
    let (name, other) = ("skinlink.local", "somebody-else.local");
    assert!(ask(name).is_empty(), "nobody has the name yet");
    let (stop, names) = (CancellationToken::new(), vec![name.to_owned()]);
    let announced = announce(names, 8443).expect("it is announced");
    #[expect(clippy::disallowed_methods, reason = "the test ends it itself")]
    let running = tokio::spawn(announced.run(stop.clone()));
    leads(name, Ipv4Addr::new(10, 7, 0, 2)).await;
    assert!(ask(other).is_empty(), "it answers for its own name only");
    // The router gives another address.
    ip(&["addr", "add", "10.8.0.9/24", "dev", "v0"]);
    ip(&["addr", "del", "10.7.0.2/24", "dev", "v0"]);
    leads(name, Ipv4Addr::new(10, 8, 0, 9)).await;
    stop.cancel();
    running.await.expect("it ends in peace");
    assert!(ask(name).is_empty(), "it has said goodbye");
}

fn ip(arguments: &[&str]) {
    assert!(Command::new("ip").args(arguments).status().expect("ip is there").success(), "ip {arguments:?}");
}

/// Asks until the name leads there and nowhere else.
async fn leads(name: &'static str, wanted: Ipv4Addr) {
    let begun = Instant::now();
    loop {
        let found = tokio::task::spawn_blocking(move || ask(name)).await.expect("an answer");
        if found == [wanted] {
            println!("{name} leads to {wanted} after {:.1} s", begun.elapsed().as_secs_f32());
            return;
        }
        assert!(begun.elapsed() < LIMIT, "{name} leads to {found:?}, not to {wanted}");
    }
}

/// One question for an address from a port of its own (RFC 6762 section 5.1), by the number 0 as multicast questions have it (18.1):
/// the library answers with that number whatever it was asked by. What is answered within half a second.
fn ask(name: &str) -> Vec<Ipv4Addr> {
    const ID: [u8; 2] = [0, 0];
    let mut question = [&ID[..], &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0]].concat();
    for label in name.split('.') {
        question.push(u8::try_from(label.len()).expect("a label"));
        question.extend_from_slice(label.as_bytes());
    }
    question.extend_from_slice(&[0, 0, 1, 0, 1]);
    let socket = UdpSocket::bind(("0.0.0.0", 0)).expect("a port");
    socket.set_read_timeout(Some(Duration::from_millis(500))).expect("a limit");
    socket.send_to(&question, ("224.0.0.251", 5353)).expect("the network takes it");
    let (mut found, mut bytes) = (Vec::new(), [0; 1500]);
    while let Ok((length, _)) = socket.recv_from(&mut bytes) {
        assert_eq!(bytes[..2], ID, "an answer to another question");
        found.extend(addresses(&bytes[..length], name));
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// The addresses of `name` in an answer (RFC 1035 section 4.1).
fn addresses(answer: &[u8], name: &str) -> Vec<Ipv4Addr> {
    let two = |at: usize| usize::from(u16::from_be_bytes([answer[at], answer[at + 1]]));
    let (questions, answers) = (two(4), two(6));
    let mut at = 12;
    for _ in 0..questions {
        at = read_name(answer, at).1 + 4;
    }
    let mut found = Vec::new();
    for _ in 0..answers {
        let (owner, after) = read_name(answer, at);
        let (kind, length) = (two(after), two(after + 8));
        if kind == 1 && owner.eq_ignore_ascii_case(name) {
            let bytes: [u8; 4] = answer[after + 10..after + 14].try_into().expect("four bytes");
            found.push(Ipv4Addr::from(bytes));
        }
        at = after + 10 + length;
    }
    found
}

/// A name and where it ends; it may go on elsewhere in the answer.
fn read_name(answer: &[u8], begin: usize) -> (String, usize) {
    let (mut at, mut end, mut labels) = (begin, None, Vec::new());
    loop {
        let length = usize::from(answer[at]);
        if length == 0 {
            return (labels.join("."), end.unwrap_or(at + 1));
        }
        if length >= 0xc0 {
            end = end.or(Some(at + 2));
            at = (length & 0x3f) << 8 | usize::from(answer[at + 1]);
        } else {
            labels.push(String::from_utf8_lossy(&answer[at + 1..=at + length]).into_owned());
            at += length + 1;
        }
    }
}
