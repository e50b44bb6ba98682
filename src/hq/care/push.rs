//! Pushing messages to a webhook: each is taken by a lease like by anybody else, signed, posted, and noted when the receiver has said
//! that it has it (2xx). A process that ends in between leaves the lease to run out: then it is posted again under the same id, by
//! which a receiver knows that it has it.
//!
//! A receiver that is away, or takes nothing at all, is left alone as a whole, longer and longer, and asked by one message at a time: a
//! thousand messages do not each knock on its door. What is wrong with one message alone makes that one wait.
//!
//! Signed as the Standard Webhooks convention says, for which there are libraries: HMAC-SHA256 over id, time and body.

use super::{
    Message, REST,
    offers::{self, Outcome},
};
use crate::{
    clock,
    hq::{
        HqError,
        config::{CareSettings, Webhook, is_public},
        connections::{Connections, Unasked},
        crm::keys::Stores,
    },
};
use openssl::{base64::encode_block, hash::MessageDigest, pkey::PKey, sign::Signer};
use reqwest::{
    Certificate, Client,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::Policy,
};
use serde_json::json;
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Posted one after the other under one lease.
const AT_ONCE: usize = 4;

/// How long one post may take.
const POST: Duration = Duration::from_secs(10);

/// Longer than all of them together; who ends in between delays them by so much.
const LEASE_MS: i64 = 45_000;

/// Where nothing waits.
const PAUSE: Duration = Duration::from_secs(1);

/// The first pause after a receiver took nothing, doubled each time up to the longest.
const FIRST_AWAY: Duration = Duration::from_secs(1);
const LONGEST_AWAY: Duration = Duration::from_secs(300);

/// What became of a post.
struct Posted {
    outcome: Outcome,
    /// Nothing else would have been taken either.
    away: bool,
}

/// For how long a receiver is left alone that took nothing so many times in a row.
fn away_for(times: u32) -> Duration {
    FIRST_AWAY.saturating_mul(1 << times.saturating_sub(1).min(16)).min(LONGEST_AWAY)
}

/// What is wrong with what was sent, and not with where it was sent to.
const fn is_of_one_message(status: u16) -> bool {
    matches!(status, 400 | 409 | 413 | 422)
}

/// Pushes until `stop`.
///
/// # Errors
/// [`HqError::Webhook`] for settings that cannot be meant.
pub async fn run(
    database: Connections,
    settings: Arc<CareSettings>,
    webhook: &Webhook,
    stop: &CancellationToken,
) -> Result<(), HqError> {
    let client = client(webhook)?;
    tracing::info!(host = webhook.url.host_str().unwrap_or_default(), "messages of care are pushed");
    let mut in_vain = 0_u32;
    loop {
        let (asked, now) = (Arc::clone(&settings), clock::now().wall);
        // A receiver that took nothing the last time is asked by one.
        let many = if in_vain > 0 { 1 } else { AT_ONCE };
        let taken = database.ask(move |engine| offers::take(engine, &asked, &Stores::All, (many, LEASE_MS), now)).await;
        let wait = match taken {
            Ok(messages) if messages.is_empty() => PAUSE,
            Ok(messages) => {
                let mut wait = Duration::ZERO;
                for message in messages {
                    if stop.is_cancelled() {
                        return Ok(());
                    }
                    if !wait.is_zero() {
                        give_back(&database, message).await;
                        continue;
                    }
                    // Those before it took long: whoever takes it next asks anew whether it stands.
                    if message.until.unix_ms() - clock::now().wall.unix_ms() < POST.as_millis() as i64 {
                        break;
                    }
                    if push(&database, &settings, (&client, webhook), message).await {
                        in_vain = in_vain.saturating_add(1);
                        wait = away_for(in_vain);
                        tracing::warn!(
                            times = in_vain,
                            ?wait,
                            "the receiver of messages of care takes none; it is left alone"
                        );
                    } else if std::mem::take(&mut in_vain) > 0 {
                        tracing::info!("the receiver of messages of care is there again");
                    }
                }
                wait
            }
            Err(Unasked::Busy) => REST,
            Err(Unasked::Fault(fault)) => {
                tracing::warn!(%fault, "messages of care wait for the database");
                REST
            }
        };
        tokio::select! { () = stop.cancelled() => return Ok(()), () = sleep(wait) => {} }
    }
}

fn client(webhook: &Webhook) -> Result<Client, HqError> {
    let wrong = |fault: reqwest::Error| HqError::Webhook { reason: fault.to_string() };
    // Redirects would lead past the check of where it goes; so would a proxy of the environment.
    let mut client = Client::builder().timeout(POST).redirect(Policy::none()).no_proxy();
    if let Some(pem) = &webhook.authority {
        client = client.tls_built_in_root_certs(false).add_root_certificate(Certificate::from_pem(pem).map_err(wrong)?);
    }
    if !webhook.private {
        client = client.dns_resolver(Arc::new(PublicAlone));
    }
    client.build().map_err(wrong)
}

/// Finds public addresses only: a name that leads into a network of our own could make us ask what only we may.
struct PublicAlone;

impl Resolve for PublicAlone {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                let reason = "the name leads to no public address; set care.webhook.private = true if that is meant";
                return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, reason).into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

async fn give_back(database: &Connections, message: Message) {
    let now = clock::now().wall;
    let given = database.ask(move |engine| offers::give_back(engine, (&message.id, &message.lease), now)).await;
    if let Err(Unasked::Fault(fault)) = given {
        tracing::warn!(%fault, "a message that was not sent is not given back; it comes again when its lease has run out");
    }
}

/// Whether the receiver takes nothing at all now.
async fn push(database: &Connections, settings: &CareSettings, to: (&Client, &Webhook), message: Message) -> bool {
    let Posted { outcome, away } = post(settings, to, &message).await;
    if let Outcome::Failed(reason) = &outcome {
        tracing::warn!(message = message.id, reason, tries = message.tries, "a message of care was not taken");
    }
    let now = clock::now().wall;
    let noted = database.ask(move |engine| offers::answer(engine, (&message.id, &message.lease), &outcome, now)).await;
    if let Err(Unasked::Fault(fault)) = noted {
        tracing::warn!(%fault, "what became of a message is not noted; it is pushed again under its id");
    }
    away
}

async fn post(settings: &CareSettings, (client, webhook): (&Client, &Webhook), message: &Message) -> Posted {
    let body = body(settings, message);
    let seconds = clock::now().wall.unix_ms() / 1_000;
    let posted = client
        .post(webhook.url.clone())
        .header("content-type", "application/json")
        .header("webhook-id", &message.id)
        .header("webhook-timestamp", seconds)
        .header("webhook-signature", signature(&webhook.secret, &message.id, seconds, &body))
        .body(body)
        .send()
        .await;
    let (outcome, away) = match posted {
        Ok(answer) if answer.status().is_success() => (Outcome::Done, false),
        // It says itself that it never wants this again.
        Ok(answer) if answer.status().as_u16() == 410 => {
            (Outcome::Dead("the receiver says 410 Gone".to_owned()), false)
        }
        Ok(answer) => {
            let away = !is_of_one_message(answer.status().as_u16());
            (Outcome::Failed(format!("the receiver says {}", answer.status())), away)
        }
        Err(fault) => (Outcome::Failed(said(&fault)), true),
    };
    Posted { outcome, away }
}

/// The fault with its causes; the address of a webhook may hold a secret.
fn said(fault: &reqwest::Error) -> String {
    let mut said = if fault.is_timeout() { "no answer in time".to_owned() } else { "no connection".to_owned() };
    let mut cause = std::error::Error::source(fault);
    while let Some(next) = cause {
        said = format!("{said}: {next}");
        cause = next.source();
    }
    said.chars().take(200).collect()
}

/// What whoever sends is told.
fn body(settings: &CareSettings, message: &Message) -> String {
    let Message { id, store, customer, visit, kind, due, channels, .. } = message;
    let language = &settings.place(store).language;
    let mut body = json!({
        "type": "care.message",
        "message": id, "kind": kind.as_str(), "due": due.to_string(), "store": store, "customer": customer,
        "language": language, "channels": channels,
    });
    if !visit.is_empty() {
        body["visit"] = visit.as_str().into();
    }
    body.to_string()
}

/// `v1,` and the HMAC-SHA256 of `id.seconds.body` in base64.
#[must_use]
fn signature(secret: &[u8], id: &str, seconds: i64, body: &str) -> String {
    let signed = PKey::hmac(secret).and_then(|key| {
        let mut signer = Signer::new(MessageDigest::sha256(), &key)?;
        signer.update(format!("{id}.{seconds}.{body}").as_bytes())?;
        signer.sign_to_vec()
    });
    format!("v1,{}", encode_block(&signed.expect("a key of any bytes signs")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::follow_up::Kind, hq::config::RawCare};
    use reqwest::Url;
    use std::net::TcpListener;
    use zeroize::Zeroizing;

    fn webhook(url: &str, private: bool) -> Webhook {
        Webhook { url: url.parse::<Url>().unwrap(), secret: Zeroizing::new(vec![7; 32]), authority: None, private }
    }

    /// A name that leads to this machine, where a door stands open that only we may knock at: it is not knocked at, unless the operator
    /// says that it is meant.
    #[tokio::test]
    async fn a_name_that_leads_into_a_network_of_our_own_is_not_followed() {
        let door = TcpListener::bind("127.0.0.1:0").unwrap();
        door.set_nonblocking(true).unwrap();
        let url = format!("https://localhost:{}/care", door.local_addr().unwrap().port());
        let refused = client(&webhook(&url, false)).unwrap().get(&url).send().await.unwrap_err();
        let reason = said(&refused);
        assert!(reason.contains("no public address") && reason.contains("care.webhook.private = true"), "{reason}");
        assert_eq!(door.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "nobody came");

        let meant = client(&webhook(&url, true)).unwrap();
        let asked = tokio::time::timeout(Duration::from_millis(500), meant.get(&url).send()).await;
        assert!(asked.is_err() || asked.is_ok_and(|answer| answer.is_err()), "nobody speaks TLS there");
        assert!(door.accept().is_ok(), "it was knocked at");
    }

    #[test]
    fn a_receiver_that_takes_nothing_is_left_alone_longer_and_longer() {
        let pauses: Vec<u64> = (1..12).map(|times| away_for(times).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(away_for(u32::MAX), LONGEST_AWAY);
        assert!(
            is_of_one_message(422) && !is_of_one_message(503) && !is_of_one_message(401) && !is_of_one_message(404)
        );
    }

    /// A receiver that wants a visit of each message looks for it in vain at a birthday, and must see that there is none.
    #[test]
    fn a_birthday_names_no_visit() {
        let settings =
            "time_zone = \"UTC\"\n[[consent]]\ntext_versions = [\"1\"]\nkinds = [\"birthday\"]\nchannels = [\"sms\"]\n";
        let settings = toml::from_str::<RawCare>(settings).unwrap().resolve().unwrap();
        let due = "2026-05-17T10:00:00.000Z".parse().unwrap();
        let message = |kind, visit: &str| Message {
            id: "m".into(),
            store: "sh-001".into(),
            customer: "c".into(),
            visit: visit.into(),
            kind,
            due,
            state: "taken".into(),
            channels: vec!["sms".into()],
            lease: "l".into(),
            until: due,
            tries: 1,
        };
        let read = |message| serde_json::from_str::<serde_json::Value>(&body(&settings, &message)).unwrap();
        let birthday = read(message(Kind::Birthday, ""));
        assert_eq!((&birthday["kind"], birthday.get("visit")), (&"birthday".into(), None));
        assert_eq!(read(message(Kind::Away, "v"))["visit"], "v");
    }

    /// The example that the convention publishes.
    #[test]
    fn a_signature_is_as_the_convention_says() {
        let secret = openssl::base64::decode_block("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
