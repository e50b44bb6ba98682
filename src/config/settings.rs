//! `settings.toml`: those keys of the configuration that headquarters may set, laid over the file's own and resolved with them.
//!
//! Not among them: who the gateway is and where its data lies, how it reaches headquarters, whom it serves, whose packages it takes,
//! its chairs, devices and paths. One package is for every store of the chain, so what differs by store is not among them either: its
//! name. Nor `sync.acknowledged_by`: a gateway that has its events from the broker acknowledged asks
//! headquarters nothing any more, and nobody could take such a setting back.

use super::{
    Complaints, Config, raw, resolve,
    typed::{At, Reader, table},
};
use std::path::Path;

table! { File { scan: Scan, report: Report, retention: raw::Retention, sync: Sync, calendar: Calendar } }
table! { Scan { repeats: u64, metrics: Vec<At<String>>, regions: Vec<At<String>>, views: Vec<At<String>> } }
table! { Report { valid_days: u64, colour: String } }
table! { Sync { window: u64, batch_events: u64, resend_after_s: u64, image_kib_per_s: u64, chain_stores: u64 } }
table! { Calendar { holidays: Vec<At<String>> } }

/// Whoever writes it into a package means one store, and would rename them all.
const OF_ONE_STORE: &str = "is each store's own, and a package is the same for all of them; write it into the configuration of the gateway there";

/// `text` is sound by itself, so whatever is complained of stands in `settings`.
pub(super) fn laid_over(text: &str, settings: &str, file: &str, base: &Path) -> Result<Config, Complaints> {
    let mut typed = Reader::read::<raw::File>(text).1.unwrap_or_default();
    let (mut reader, over) = Reader::read::<File>(settings);
    reader.explain("report.store_name", OF_ONE_STORE);
    let File { scan, report, retention, sync, calendar } = over.unwrap_or_default();
    if let Some(Scan { repeats, metrics, regions, views }) = scan.map(|at| at.value) {
        let own = section(&mut typed.scan, "scan");
        put(&mut own.repeats, repeats);
        put(&mut own.metrics, metrics);
        put(&mut own.regions, regions);
        put(&mut own.views, views);
    }
    if let Some(Report { valid_days, colour }) = report.map(|at| at.value) {
        let own = section(&mut typed.report, "report");
        put(&mut own.valid_days, valid_days);
        put(&mut own.colour, colour);
    }
    if let Some(raw::Retention { acknowledged_events_days, photographs_days }) = retention.map(|at| at.value) {
        let own = section(&mut typed.retention, "retention");
        put(&mut own.acknowledged_events_days, acknowledged_events_days);
        put(&mut own.photographs_days, photographs_days);
    }
    if let Some(Sync { window, batch_events, resend_after_s, image_kib_per_s, chain_stores }) = sync.map(|at| at.value)
    {
        let own = section(&mut typed.sync, "sync");
        put(&mut own.window, window);
        put(&mut own.batch_events, batch_events);
        put(&mut own.resend_after_s, resend_after_s);
        put(&mut own.image_kib_per_s, image_kib_per_s);
        put(&mut own.chain_stores, chain_stores);
    }
    if let Some(Calendar { holidays }) = calendar.map(|at| at.value) {
        put(&mut section(&mut typed.calendar, "calendar").holidays, holidays);
    }
    resolve::meaning(reader, typed, file, base)
}

fn section<'a, T: Default>(own: &'a mut Option<At<T>>, key: &str) -> &'a mut T {
    &mut own.get_or_insert_with(|| At { value: T::default(), line: 1, key: key.to_owned() }).value
}

fn put<T>(own: &mut Option<T>, over: Option<T>) {
    if over.is_some() {
        *own = over;
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        config::Source,
        domain::{Region, metric::MetricId},
    };

    const OWN: &str = "[store]\nid = \"s\"\ngateway = \"g\"\ndata = \"d\"\n[[station]]\nid = \"c\"\n\
        [scan]\nrepeats = 2\nregions = [\"chin\"]\n[report]\nlogo = \"logo.svg\"\nvalid_days = 30\n";

    fn source() -> Source {
        Source { text: OWN.to_owned(), file: "gateway.toml".to_owned(), folder: "/etc/skinlink".into() }
    }

    #[test]
    fn what_headquarters_sets_takes_the_place_of_the_files_own_and_the_rest_stands() {
        let settings = "[scan]\nrepeats = 5\nmetrics = [\"sebum\"]\n[report]\ncolour = \"#1E6B5C\"\n\
            [sync]\nwindow = 8\n[retention]\nphotographs_days = 90\n[calendar]\nholidays = [\"2027-01-01\"]\n";
        let (own, config) = (source().config().unwrap(), source().with_settings(settings, "settings.toml").unwrap());
        assert_eq!((config.scan.repeats, config.scan.regions.as_slice()), (5, &[Region::Chin][..]));
        assert_eq!(config.scan.metrics, [MetricId::new("sebum").unwrap()]);
        assert_eq!(config.report.valid_days, 30);
        assert_ne!(config.report.colour, own.report.colour);
        assert_eq!(config.report.store_name, own.report.store_name, "each store has its own");
        assert_eq!(config.report.logo, own.report.logo, "paths are the store's own");
        assert_eq!((config.sync.window, config.calendar.holidays.len()), (8, 1));
        assert_eq!((config.store, config.mqtt, config.web), (own.store, own.mqtt, own.web));
    }

    #[test]
    fn what_headquarters_may_not_set_and_what_is_wrong_is_said_with_its_line() {
        for (settings, said) in [
            ("[mqtt]\nhost = \"evil.example\"", "settings.toml:1: mqtt: no such key; known here are scan, report"),
            ("[store]\ndata = \"/tmp\"", "store: no such key"),
            ("[packages]\nkeys = []", "packages: no such key"),
            ("[web]\nlan = \"0.0.0.0:1\"", "web: no such key"),
            ("[[station]]\nid = \"x\"", "station: no such key"),
            ("[scan]\nmodels = \"/tmp\"", "settings.toml:2: scan.models: no such key"),
            ("[scan]\nonnxruntime = \"/tmp/x.so\"", "scan.onnxruntime: no such key"),
            ("[report]\npublic_url = \"https://evil.example\"", "report.public_url: no such key"),
            (
                "[report]\nvalid_days = 9\nstore_name = { zh = \"清和\", en = \"Qinghe\" }",
                "settings.toml:3: report.store_name: is each store's own, and a package is the same for all of them; write it into",
            ),
            ("[report]\nstore_names = {}", "report.store_names: no such key; known here are valid_days, colour"),
            ("[sync]\nacknowledged_by = \"broker\"", "sync.acknowledged_by: no such key"),
            ("[calendar]\ntime_zone = \"UTC\"", "calendar.time_zone: no such key"),
            ("[scan]\n\nrepeats = 12", "settings.toml:3: scan.repeats: 12 is outside 1 to 9"),
            ("[retention]\nacknowledged_events_days = 3", "3 is outside 30 to 3650"),
            ("[report]\ncolour = \"#FFFFFF\"", "is too light to be read"),
            ("[scan]\nregions = []", "names no region"),
            ("[scan", "settings.toml:1: "),
        ] {
            let complaints = source().with_settings(settings, "settings.toml").unwrap_err().to_string();
            assert!(complaints.contains(said), "{settings}: {complaints}");
        }
    }
}
