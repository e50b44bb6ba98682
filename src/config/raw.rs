//! `gateway.toml` as it was typed: the keys there are, and nothing about what they mean. Every key is optional here;
//! [`super::resolve`] knows which are required.

use super::typed::{At, table};

table! {
    /// The whole file.
    File {
        store: Store,
        station: Vec<At<Station>>,
        device: Vec<At<Device>>,
        mqtt: Mqtt,
        web: Web,
        report: Report,
        sync: Sync,
        retention: Retention,
        scan: Scan,
        calendar: Calendar,
        packages: Packages,
    }
}

table! {
    Store { id: String, gateway: String, data: String, key_file: String, escrow_key: String, min_free_mib: u64 }
}

table! {
    Station { id: String, label: Label, pictures_from: String, pictures_um_per_px: f64 }
}

table! {
    /// Chinese and English.
    Label { zh: String, en: String }
}

table! {
    Device { station: String, measures: String, protocol: String, path: String, serial_number: String, address: String, key_file: String, baud: u64 }
}

table! {
    Mqtt { enabled: bool, host: String, port: u64, ca: String, certificate: String, key: String, keep_alive_s: u64 }
}

table! {
    Web { listen: String, lan: String, names: Vec<At<String>>, announce: bool }
}

table! {
    Report {
        public_url: String, listen: String, behind_proxy: bool, local_url: String, valid_days: u64, store_name: Label,
        colour: String, logo: String,
    }
}

table! {
    Sync { acknowledged_by: String, window: u64, batch_events: u64, resend_after_s: u64, image_kib_per_s: u64, chain_stores: u64 }
}

table! {
    Retention { acknowledged_events_days: u64, photographs_days: u64 }
}

table! {
    Calendar { time_zone: String, holidays: Vec<At<String>> }
}

table! {
    Packages { chain: String, keys: Vec<At<String>> }
}

table! {
    Scan {
        repeats: u64,
        metrics: Vec<At<String>>,
        regions: Vec<At<String>>,
        views: Vec<At<String>>,
        protocols: String,
        models: String,
        metrics_file: String,
        regions_file: String,
        suggestions_file: String,
        treatments_file: String,
        gates_file: String,
        cameras_file: String,
        onnxruntime: String,
        inference_deadline_s: u64,
        inference_memory_mib: u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::typed::Typed;

    /// The annotated file is the manual: a key that it does not show does not exist for an installer, and one that it shows
    /// must be understood.
    #[test]
    fn the_annotated_file_shows_every_key_of_every_table_and_no_other() {
        let text = include_str!("../../config/gateway.toml");
        let mut shown = std::collections::BTreeSet::new();
        let mut table = "";
        for line in text.lines().map(|line| line.trim_start_matches("# ")) {
            if let Some(name) = line.strip_prefix('[') {
                table = name.trim_start_matches('[').split(']').next().unwrap();
            } else if let Some((key, _)) = line.split_once(" = ").filter(|(key, _)| !key.contains([' ', ',', '.'])) {
                shown.insert((table, key));
            }
        }
        let known = File::TABLES.iter().flat_map(|(table, keys)| keys.iter().map(|key| (*table, *key)));
        assert_eq!(shown, known.collect());
    }
}
