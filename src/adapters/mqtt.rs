//! MQTT 5 over TLS. One call of the connector makes one connection: a fresh client and event loop, a clean session, a
//! channel of one. On any error all of it is thrown away: the client's own reconnect drops what it held, keeps order for
//! nobody and can wedge, so nothing of ours lives in it. QoS 1 only.
//!
//! The broker's word on a publish is read from the incoming PubAck, because the client only logs it; which publish it
//! belongs to is known because the event loop numbers publishes in the order they were handed over.

use super::pki::{OwnCertificate, TlsFiles};
use crate::{
    clock,
    ports::{BrokerWord, Connector, FromBroker, Publish, Uplink, UplinkError},
    sync::MAX_PUBLISH,
};
use rumqttc::{
    NetworkOptions, TlsConfiguration, Transport,
    v5::{
        AsyncClient, ConnectionError, Event, EventLoop, Incoming, MqttOptions,
        mqttbytes::{
            QoS,
            v5::{ConnectProperties, Filter, LastWill, Packet, PubAck, PubAckReason, SubscribeReasonCode},
        },
    },
};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::mpsc, time::timeout};

/// TCP, TLS and CONNECT together. A mobile uplink in a basement takes seconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Room for topic, packet header and properties above the payload.
const PACKET_OVERHEAD: u32 = 4 * 1024;

/// Publishes between our channel and the client's: one in its channel, one in hand, the rest is slack.
const HANDED_OVER: usize = 16;

/// One client of the broker.
#[derive(Debug, Clone)]
pub struct MqttSettings {
    pub host: String,
    pub port: u16,
    /// The common name of the certificate; the broker insists on it.
    pub client_id: String,
    pub tls: TlsFiles,
    pub keep_alive: Duration,
    pub subscriptions: Vec<String>,
    /// Topic and payload the broker publishes, retained, when we are gone.
    pub last_will: Option<(String, Vec<u8>)>,
    /// How many unacknowledged publishes the broker may send us at once.
    pub receive_maximum: u16,
    /// Messages held for the reader; when full, the connection stops reading and TCP holds the broker back.
    pub arrived_capacity: usize,
}

/// Makes the connector that [`crate::ports::Connector`] describes. Files are read at every connect, so that a renewed
/// certificate is taken up without a restart.
#[must_use]
pub fn connector(settings: MqttSettings) -> Connector {
    let settings = Arc::new(settings);
    Arc::new(move || {
        let settings = Arc::clone(&settings);
        Box::pin(async move { connect(&settings).await })
    })
}

async fn connect(settings: &MqttSettings) -> Result<Uplink, UplinkError> {
    let own = settings
        .tls
        .check(&settings.client_id, clock::now().wall)
        .map_err(|fault| UplinkError::OwnCertificate(fault.to_string()))?;
    let (client, mut eventloop) = AsyncClient::new(options(settings, &own)?, 1);
    let mut early = VecDeque::new();
    timeout(CONNECT_TIMEOUT, greet(settings, &client, &mut eventloop, &mut early)).await.map_err(|_| {
        UplinkError::Unreachable {
            host: settings.host.clone(),
            port: settings.port,
            reason: format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()),
        }
    })??;
    let (publish, outbound) = mpsc::channel(1);
    let (deliver, arrived) = mpsc::channel(settings.arrived_capacity);
    let silence = settings.keep_alive * 2 + Duration::from_secs(5);
    let driver = Box::pin(drive(client, eventloop, outbound, deliver, early, silence));
    Ok(Uplink { publish, arrived, driver })
}

fn options(settings: &MqttSettings, own: &OwnCertificate) -> Result<MqttOptions, UplinkError> {
    let bad = |fault: native_tls::Error| UplinkError::OwnCertificate(fault.to_string());
    let mut tls = native_tls::TlsConnector::builder();
    tls.disable_built_in_roots(true)
        .add_root_certificate(native_tls::Certificate::from_pem(&own.ca_pem).map_err(bad)?)
        .min_protocol_version(Some(native_tls::Protocol::Tlsv12))
        .identity(native_tls::Identity::from_pkcs8(&own.chain_pem, &own.key_pem).map_err(bad)?);
    let tls = TlsConfiguration::NativeConnector(tls.build().map_err(bad)?);

    let mut properties = ConnectProperties::new();
    properties.receive_maximum = Some(settings.receive_maximum);
    properties.max_packet_size = Some(u32::try_from(MAX_PUBLISH).expect("64 KiB fits") + PACKET_OVERHEAD);
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);

    let mut options = MqttOptions::new(&settings.client_id, &settings.host, settings.port);
    options
        .set_transport(Transport::Tls(tls))
        .set_keep_alive(settings.keep_alive.max(Duration::from_secs(5)))
        .set_clean_start(true)
        .set_connection_timeout(CONNECT_TIMEOUT.as_secs())
        .set_connect_properties(properties)
        .set_outgoing_inflight_upper_limit(100)
        .set_network_options(network);
    if let Some((topic, payload)) = &settings.last_will {
        options.set_last_will(LastWill::new(topic, payload.clone(), QoS::AtLeastOnce, true, None));
    }
    Ok(options)
}

/// Waits for ConnAck and SubAck; retained messages that come in between are kept for the reader.
async fn greet(
    settings: &MqttSettings,
    client: &AsyncClient,
    eventloop: &mut EventLoop,
    early: &mut VecDeque<FromBroker>,
) -> Result<(), UplinkError> {
    loop {
        match eventloop.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => break,
            Ok(_) => {}
            Err(fault) => return Err(not_connected(settings, fault)),
        }
    }
    if settings.subscriptions.is_empty() {
        return Ok(());
    }
    let filters = settings.subscriptions.iter().map(|filter| Filter::new(filter, QoS::AtLeastOnce));
    client.try_subscribe_many(filters).map_err(|fault| UplinkError::Refused(format!("subscriptions: {fault}")))?;
    loop {
        match eventloop.poll().await {
            Ok(Event::Incoming(Packet::SubAck(answer))) => {
                let refused = answer.return_codes.iter().find(|code| !matches!(code, SubscribeReasonCode::Success(_)));
                return refused.map_or(Ok(()), |code| Err(UplinkError::Refused(format!("subscription: {code:?}"))));
            }
            Ok(Event::Incoming(Packet::Publish(message))) => early.push_back(message_of(&message)),
            Ok(_) => {}
            Err(fault) => return Err(UplinkError::HungUp(fault.to_string())),
        }
    }
}

/// Sorts by how far the connection came, never by the wording: with TLS 1.3 the wording is a matter of luck.
fn not_connected(settings: &MqttSettings, fault: ConnectionError) -> UplinkError {
    let MqttSettings { host, port, .. } = settings;
    let unreachable = |reason: String| UplinkError::Unreachable { host: host.clone(), port: *port, reason };
    match fault {
        ConnectionError::Io(fault) => unreachable(fault.to_string()),
        ConnectionError::Timeout(_) => unreachable(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs())),
        ConnectionError::Tls(fault) => UplinkError::BrokerCertificate(fault.to_string()),
        ConnectionError::ConnectionRefused(code) => UplinkError::Refused(format!("{code:?}")),
        other => UplinkError::HungUp(other.to_string()),
    }
}

/// Runs both directions until the connection ends. Neither half is ever cancelled while the other goes on: a poll of the
/// event loop that is dropped half-way may lose an acknowledgement it was about to write.
async fn drive(
    client: AsyncClient,
    eventloop: EventLoop,
    outbound: mpsc::Receiver<Publish>,
    deliver: mpsc::Sender<FromBroker>,
    early: VecDeque<FromBroker>,
    silence: Duration,
) -> UplinkError {
    let (tokens, numbered) = mpsc::channel(HANDED_OVER);
    tokio::select! {
        reason = hand_over(client, outbound, tokens) => reason,
        reason = pump(eventloop, numbered, deliver, early, silence) => reason,
    }
}

async fn hand_over(
    client: AsyncClient,
    mut outbound: mpsc::Receiver<Publish>,
    tokens: mpsc::Sender<u64>,
) -> UplinkError {
    let gone = || UplinkError::Lost("the client has stopped".to_owned());
    while let Some(Publish { token, topic, payload, retain }) = outbound.recv().await {
        // A larger one would be refused by the broker at every try.
        debug_assert!(payload.len() <= MAX_PUBLISH, "publish of {} bytes on {topic}", payload.len());
        if tokens.send(token).await.is_err() || client.publish(topic, QoS::AtLeastOnce, retain, payload).await.is_err()
        {
            return gone();
        }
    }
    // The owner has dropped its sender; what was accepted may still be on its way, so the pump goes on until dropped.
    std::future::pending().await
}

async fn pump(
    mut eventloop: EventLoop,
    mut numbered: mpsc::Receiver<u64>,
    deliver: mpsc::Sender<FromBroker>,
    early: VecDeque<FromBroker>,
    silence: Duration,
) -> UplinkError {
    let mut unanswered: HashMap<u16, u64> = HashMap::new();
    for message in early {
        if deliver.send(message).await.is_err() {
            return UplinkError::Lost("nobody reads it any longer".to_owned());
        }
    }
    loop {
        // Pings make an event at least every keep-alive. Without this limit a peer that vanished with full buffers would
        // hold a write, and with it the ping timer, until TCP gives up after a quarter of an hour.
        let event = match timeout(silence, eventloop.poll()).await {
            Ok(Ok(event)) => event,
            Ok(Err(fault)) => return UplinkError::Lost(fault.to_string()),
            Err(_) => return UplinkError::Lost(format!("silent for {} s", silence.as_secs())),
        };
        let arrived = match event {
            Event::Outgoing(rumqttc::Outgoing::Publish(number)) => {
                if let Ok(token) = numbered.try_recv() {
                    unanswered.insert(number, token);
                }
                None
            }
            Event::Incoming(Incoming::PubAck(answer)) => {
                unanswered.remove(&answer.pkid).map(|token| FromBroker::Word { token, word: word_of(&answer) })
            }
            Event::Incoming(Incoming::Publish(message)) => Some(message_of(&message)),
            _ => None,
        };
        if let Some(arrived) = arrived
            && deliver.send(arrived).await.is_err()
        {
            return UplinkError::Lost("nobody reads it any longer".to_owned());
        }
    }
}

fn word_of(answer: &PubAck) -> BrokerWord {
    match answer.reason {
        PubAckReason::Success => BrokerWord::Taken,
        PubAckReason::NoMatchingSubscribers => BrokerWord::NobodyListens,
        reason => BrokerWord::Refused(format!("{reason:?}")),
    }
}

fn message_of(message: &rumqttc::v5::mqttbytes::v5::Publish) -> FromBroker {
    FromBroker::Message {
        topic: String::from_utf8_lossy(&message.topic).into_owned(),
        payload: message.payload.to_vec(),
    }
}
