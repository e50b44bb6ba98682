//! The way to headquarters: started where the configuration names a broker, and told to the pages.

use super::{
    about::{self, Watched},
    check::ordered::checker,
    supervisor::Tasks,
};
use crate::{
    adapters::{
        mqtt::{self, MqttSettings},
        pki::TlsFiles,
        upload,
    },
    config::Config,
    store::Store,
    sync::topic::Lane,
    tasks::{
        live::Live,
        orders::orders,
        packages::PackagesHandle,
        station::StationHandle,
        sync::{self, Connection, Errands, SyncSettings, SyncStatus},
    },
    web::Headquarters,
};
use std::path::Path;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Messages of HQ held while the sync task writes; HQ says one per batch.
const ARRIVED: usize = 256;

/// What HQ's words concern in the house.
pub struct House<'a> {
    /// Of the configuration that the gateway runs by.
    pub file: &'a Path,
    pub devices: Vec<Watched>,
    pub live: &'a Live,
    pub stations: &'a [StationHandle],
    /// Who takes packages, where they are taken.
    pub packages: Option<PackagesHandle>,
    /// Moves when somebody may have been let in or turned out.
    pub admissions: watch::Sender<u64>,
}

/// Starts the way to HQ, if there is one; the receiver tells the pages how it is.
pub fn start(
    config: &Config,
    store: &Store,
    house: House<'_>,
    tasks: &mut Tasks,
    stop: &CancellationToken,
) -> watch::Receiver<Headquarters> {
    let (told, seen) = watch::channel(Headquarters { connection: "disabled", alarm: None });
    if !config.mqtt.enabled {
        return seen;
    }
    let House { file, devices, live, stations, packages, admissions } = house;
    let (address, mqtt) = (&config.store.address, &config.mqtt);
    let connector = mqtt::connector(MqttSettings {
        host: mqtt.host.clone(),
        port: mqtt.port,
        client_id: address.gateway.clone(),
        tls: TlsFiles { ca: mqtt.ca.clone(), certificate: mqtt.certificate.clone(), key: mqtt.key.clone() },
        keep_alive: mqtt.keep_alive,
        subscriptions: vec![address.topic(&Lane::Ack)],
        last_will: Some((address.topic(&Lane::Status), b"offline".to_vec())),
        receive_maximum: 64,
        arrived_capacity: ARRIVED,
    });
    let (tell, about) = watch::channel(about::text(config, &devices, packages.is_some(), &serde_json::Value::Null));
    tasks.start("about", {
        let (config, store, stop, takes) = (config.clone(), store.clone(), stop.clone(), packages.is_some());
        async move {
            about::run(config, (devices, takes), store, tell, stop).await;
            Ok(())
        }
    });
    let (handle, doer) =
        orders(store.clone(), live.clone(), stations.to_vec(), checker(file.to_owned(), packages.clone()));
    let stopped = stop.clone();
    tasks.start("orders", async move { Ok(doer.run(stopped).await?) });
    let errands = Errands { orders: handle, admissions };
    let settings = SyncSettings {
        address: address.clone(),
        sync: config.sync.clone(),
        about,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uploader: Some(upload::uploader()),
        live: Some(live.clone()),
        errands: Some(errands),
        packages,
    };
    let (status, mut watched) = watch::channel(SyncStatus::default());
    let (store, stop) = (store.clone(), stop.clone());
    tasks.start("sync", async move { Ok(sync::run(store, connector, settings, status, stop).await?) });
    tasks.start("sync word", async move {
        while watched.changed().await.is_ok() {
            let SyncStatus { connection, alarm, waiting: _, last_acknowledged: _ } =
                watched.borrow_and_update().clone();
            told.send_replace(Headquarters { connection: word_for(&connection), alarm });
        }
        Ok(())
    });
    seen
}

const fn word_for(connection: &Connection) -> &'static str {
    match connection {
        Connection::Connecting => "connecting",
        Connection::Connected => "connected",
        Connection::HqSilent => "hq_silent",
        Connection::Down(_) => "offline",
        Connection::Stalled(_) => "stalled",
    }
}
