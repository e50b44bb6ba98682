//! The configuration as an installer meets it: defaults that are what the file says, and complaints that help.

mod reach;
mod suggestions;
mod treatments;

use skinlink::{
    config::{AcknowledgedBy, Config, Port, metrics},
    domain::{
        Region,
        metric::{Direction, MetricId},
    },
};
use std::{path::Path, time::Duration};

const SHIPPED: &str = include_str!("../../config/gateway.toml");
const METRICS: &str = include_str!("../../config/metrics.toml");

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(text, "gateway.toml", Path::new("/etc/skinlink")).map_err(|complaints| complaints.to_string())
}

/// The least that makes sense: a store, a station.
fn with(more: &str) -> String {
    format!("[store]\nid = \"s\"\ngateway = \"g\"\ndata = \"d\"\n[[station]]\nid = \"chair-1\"\n{more}")
}

/// Lines of complaints about [`with`] plus `more`.
fn complaints(more: &str) -> Vec<String> {
    parse(&with(more)).map_or_else(|text| text.lines().map(str::to_owned).collect(), |_| Vec::new())
}

/// The shipped file with every commented-out key taken in; the example of a device is no default and stays out.
fn uncommented() -> String {
    let mut in_device = false;
    let mut taken = 0;
    let lines: Vec<String> = SHIPPED
        .lines()
        .map(|line| {
            let bare = line.strip_prefix("# ").unwrap_or(line);
            if bare.starts_with('[') {
                in_device = bare.starts_with("[[device]]");
            }
            let key = bare.split_once(" = ").map_or("", |(key, _)| key);
            let is_key = !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            if line != bare && is_key && !in_device {
                taken += 1;
                return bare.to_owned();
            }
            line.to_owned()
        })
        .collect();
    assert!(taken > 25, "took in only {taken} keys");
    lines.join("\n")
}

#[test]
fn what_the_file_shows_as_default_is_the_default() {
    let shipped = parse(SHIPPED).unwrap();
    assert_eq!(parse(&uncommented()).unwrap(), shipped);
}

#[test]
fn the_least_file_means_the_same_as_the_shipped_one_but_for_its_names() {
    let mut shipped = parse(SHIPPED).unwrap();
    let least = parse(&with("")).unwrap();
    shipped.store = least.store.clone();
    shipped.stations.clone_from(&least.stations);
    assert_eq!(least, shipped);
}

#[test]
fn the_files_example_of_a_device_is_understood() {
    let text: String = SHIPPED
        .lines()
        .skip_while(|line| *line != "[[station]]")
        .take_while(|line| *line != "[mqtt]")
        .filter(|line| ["path =", "address =", "key_file ="].iter().all(|key| !line.contains(key)))
        .map(|line| format!("{}\n", line.strip_prefix("# ").unwrap_or(line)))
        .collect();
    let config = parse(&format!("[store]\nid = \"s\"\ngateway = \"g\"\ndata = \"d\"\n{text}")).unwrap();
    let device = &config.devices[0];
    assert_eq!((device.station.as_str(), device.protocol.as_str()), ("chair-1", "derma-reference"));
    assert_eq!((&device.port, device.baud), (&Port::UsbSerial("DR-0417".into()), Some(115_200)));
}

#[test]
fn the_key_of_a_sensor_in_the_air_is_a_file_of_its_own() {
    let device = "[[device]]\nstation = \"chair-1\"\nprotocol = \"bthome-room\"\n";
    let config = parse(&with(&format!("{device}address = \"54:48:e6:8f:80:a5\"\nkey_file = \"room.key\""))).unwrap();
    assert_eq!(config.devices[0].port, Port::Address("54:48:E6:8F:80:A5".into()));
    assert!(config.devices[0].key_file.as_ref().is_some_and(|path| path.is_absolute() && path.ends_with("room.key")));
    let wired = parse(&with(&format!("{device}path = \"/dev/ttyUSB0\"\nkey_file = \"room.key\""))).unwrap_err();
    assert!(wired.to_string().contains("key_file: is for a device in the air"), "{wired}");
}

#[test]
fn paths_are_taken_from_the_files_folder() {
    let config = parse(&with("[scan]\nmodels = \"m\"\nprotocols = \"/opt/p\"\n[mqtt]\nca = \"x/ca.pem\"")).unwrap();
    assert_eq!(config.store.data, Path::new("/etc/skinlink/d"));
    assert_eq!(config.store.key_file, Path::new("/etc/skinlink/d/store.key"));
    assert_eq!(config.scan.models, Path::new("/etc/skinlink/m"));
    assert_eq!(config.scan.protocols, Path::new("/opt/p"));
    assert_eq!(config.mqtt.ca, Path::new("/etc/skinlink/x/ca.pem"));
}

#[test]
fn what_is_set_arrives() {
    let config = parse(&with(
        "[sync]\nacknowledged_by = \"broker\"\nwindow = 3\nresend_after_s = 7\nimage_kib_per_s = 0\n\
         [report]\npublic_url = \"https://reports.example/\"\n[retention]\nphotographs_days = 2\n\
         [scan]\nregions = [\"chin\"]\nviews = []\nmetrics = [\"redness-axis\"]\n[web]\nlisten = \"[::1]:9000\"\n\
         [[device]]\nstation = \"chair-1\"\nprotocol = \"cr30\"\n",
    ))
    .unwrap();
    assert_eq!((config.sync.acknowledged_by, config.sync.window), (AcknowledgedBy::Broker, 3));
    assert_eq!((config.sync.resend_after, config.sync.image_rate), (Duration::from_secs(7), None));
    assert_eq!(config.report.public_url.as_deref(), Some("https://reports.example"));
    assert_eq!(config.retention.photographs, Duration::from_secs(172_800));
    assert_eq!((config.scan.regions, config.scan.views), (vec![Region::Chin], vec![]));
    assert_eq!(config.scan.metrics, [MetricId::new("redness-axis").unwrap()]);
    assert_eq!(config.web.listen.to_string(), "[::1]:9000");
    assert_eq!(config.devices[0].port, Port::UsbIds);
}

#[test]
fn all_complaints_come_at_once_by_line() {
    let text = "[store]\nid = \"Store One\"\ngateway = 5\n[[station]]\nid = \"chair-1\"\n[[station]]\nid = \"chair-1\"\n\
                [sync]\nwndow = 4\nwindow = 65\n[mqtt]\nenabled = true\n[weeb]\n";
    let all = parse(text).unwrap_err();
    assert_eq!(
        all.lines().collect::<Vec<_>>(),
        [
            "gateway.toml:1: store.data: is missing; name the folder for database, photographs and keys",
            "gateway.toml:2: store.id: \"Store One\" cannot be a name; use a-z, 0-9 and '-', at most 60 characters",
            "gateway.toml:3: store.gateway: expects text in quotes, found a whole number",
            "gateway.toml:7: station.id: chair-1 stands twice; give each station its own id",
            "gateway.toml:9: sync.wndow: no such key; did you mean window?",
            "gateway.toml:10: sync.window: 65 is outside 1 to 64",
            "gateway.toml:11: mqtt.host: is missing; enabled = true needs the name of HQ's broker",
            "gateway.toml:13: weeb: no such key; did you mean web?",
        ]
    );
}

#[test]
fn an_unknown_key_names_its_nearest_or_its_place() {
    for (more, remedy) in [
        ("[scan]\nrepeat = 3", "scan.repeat: no such key; did you mean repeats?"),
        ("[scan]\nonnx_runtime = \"x\"", "did you mean onnxruntime?"),
        ("[web]\npublic_url = \"https://x.example\"", "web.public_url: no such key; it belongs into [report]"),
        ("[web]\nfont = 3", "web.font: no such key; known here are listen"),
        (
            "[[device]]\nstation = \"chair-1\"\nprotocol = \"p\"\nserial = \"x\"",
            "known here are station, measures, protocol, path",
        ),
        ("[report]\nstore_name = { zh = \"a\", en = \"b\", de = \"c\" }", "report.store_name.de: no such key"),
    ] {
        let found = complaints(more);
        assert_eq!(found.len(), 1, "{more}: {found:?}");
        assert!(found[0].contains(remedy), "{more}: {found:?}");
    }
}

#[test]
fn values_that_cannot_be_meant_are_refused_with_what_could() {
    for (more, part) in [
        ("[mqtt]\nenabled = \"yes\"", "mqtt.enabled: expects true or false, found text"),
        ("[mqtt]\nport = 70000", "mqtt.port: 70000 is outside 1 to 65535"),
        ("[mqtt]\nport = 0", "mqtt.port: 0 is outside 1 to 65535"),
        ("[mqtt]\nport = -1", "mqtt.port: expects a whole number of 0 or more, found -1"),
        ("[mqtt]\nport = 99999999999999999999", "mqtt.port"),
        ("[mqtt]\nhost = \"mqtts://hq.example\"", "mqtt.host: is a host name only"),
        ("[mqtt]\nca = \"\"", "mqtt.ca: is empty; leave the key out for ca.pem"),
        ("[web]\nlan = \"8443\"", "web.lan: \"8443\" is no address with port"),
        ("[web]\nnames = [\"https://x\"]", "is no name or address as tablets open it"),
        ("[web]\nlisten = \"0.0.0.0:80\"", "web.listen: only this machine is served without TLS"),
        ("[web]\nlisten = \"localhost\"", "web.listen: \"localhost\" is no address with port"),
        ("[report]\npublic_url = \"reports.example\"", "report.public_url: is no web address"),
        ("[report]\nstore_name = { zh = \"甲\" }", "report.store_name: needs both languages"),
        ("[report]\nstore_name = \"甲\"", "report.store_name: expects a table, found text"),
        ("[sync]\nacknowledged_by = \"me\"", "\"me\" is no acknowledger; known are hq, broker"),
        (
            "[sync]\nwindow = 1.5",
            "sync.window: expects a whole number without quotes, found a number with a decimal point",
        ),
        ("[retention]\nacknowledged_events_days = 29", "29 is outside 30 to 3650"),
        ("[scan]\nrepeats = 10", "scan.repeats: 10 is outside 1 to 9"),
        ("[scan]\nregions = [\"ear\"]", "scan.regions: \"ear\" is no region; known are forehead"),
        ("[scan]\nregions = [\"chin\", \"nose\", \"chin\"]", "scan.regions: chin stands twice"),
        ("[scan]\nregions = []", "scan.regions: names no region"),
        ("[scan]\nregions = [3]", "scan.regions: expects text in quotes, found a whole number"),
        ("[scan]\nregions = \"chin\"", "scan.regions: expects a list in brackets, found text"),
        ("[scan]\nmetrics = [\"Moisture\"]", "cannot name a metric"),
        ("[scan]\nviews = [\"back\"]", "\"back\" is no view"),
        ("[device]\nstation = \"chair-1\"", "device: expects tables headed [[device]], found a table"),
        ("[[device]]\nprotocol = \"p\"", "device.station: is missing"),
        ("[[device]]\nstation = \"chair-1\"", "device.protocol: is missing"),
        ("[[device]]\nstation = \"chair-2\"\nprotocol = \"p\"", "no [[station]] has the id chair-2; known are chair-1"),
        ("[[device]]\nstation = \"chair-1\"\nprotocol = \"../p\"", "device.protocol: \"../p\" cannot be a name"),
        ("[[device]]\nstation = \"chair-1\"\nprotocol = \"p\"\nbaud = 1", "device.baud: 1 is outside 50 to 4000000"),
        (
            "[[device]]\nstation = \"chair-1\"\nprotocol = \"p\"\npath = \"/a\"\nserial_number = \"b\"",
            "keep one of path, serial_number and address",
        ),
    ] {
        let found = complaints(more);
        assert_eq!(found.len(), 1, "{more}: {found:?}");
        assert!(found[0].contains(part), "{more}: {found:?}");
    }
}

#[test]
fn two_devices_cannot_be_the_same_one() {
    let device = "[[device]]\nstation = \"chair-1\"\nprotocol = \"p\"\n";
    for port in ["path = \"/dev/a\"\n", "serial_number = \"7\"\n", "address = \"F0:F1:F2:F3:F4:F5\"\n"] {
        let found = complaints(&format!("{device}{port}{device}{port}"));
        assert!(found.len() == 1 && found[0].contains("another [[device]] has the same"), "{found:?}");
    }
    assert_eq!(complaints(&format!("{device}{device}")), [] as [&str; 0], "two of one kind are told apart when found");
}

#[test]
fn a_file_without_station_says_so() {
    let text = parse("[store]\nid = \"s\"\ngateway = \"g\"\ndata = \"d\"").unwrap_err();
    assert_eq!(text, "gateway.toml:1: station: there is none; add [[station]] with an id such as \"chair-1\"");
}

/// Cut anywhere, the shipped file is either refused with a line or still makes sense; nothing panics.
#[test]
fn a_file_cut_anywhere_is_refused_or_makes_sense() {
    let text = uncommented();
    let mut refused = 0;
    for length in (0..text.len()).filter(|length| text.is_char_boundary(*length)) {
        match parse(&text[..length]) {
            Ok(config) => assert_eq!(config.store.address.gateway, "demo-store-g1"),
            Err(report) => {
                refused += 1;
                assert!(report.lines().all(|line| line.starts_with("gateway.toml:")), "{length}: {report}");
            }
        }
    }
    assert!(refused > 100, "only {refused} cuts were refused");
}

/// Any one byte replaced: a report or a configuration, never a panic, and every report says where.
#[test]
fn a_file_with_any_byte_replaced_is_refused_or_makes_sense() {
    let text = uncommented();
    for at in 0..text.len() {
        for with in [b'x', b'"', b'\n'] {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = with;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            if let Err(report) = parse(&changed) {
                let located = report.lines().all(|line| {
                    let number = line.strip_prefix("gateway.toml:").and_then(|rest| rest.split(':').next());
                    number.is_some_and(|number| number.parse::<usize>().is_ok_and(|number| number > 0))
                });
                assert!(located, "byte {at} as {:?}: {report}", with as char);
            }
        }
    }
}

#[test]
fn the_shipped_metrics_are_what_scans_and_models_name() {
    let known = metrics::parse(METRICS, "metrics.toml").unwrap();
    for id in &parse(SHIPPED).unwrap().scan.metrics {
        assert!(known.iter().any(|metric| metric.id == *id), "{id} is measured by default and unknown");
    }
    let moisture = &known[0];
    assert_eq!((moisture.id.as_str(), moisture.unit.as_str(), moisture.decimals), ("moisture", "%", 1));
    assert_eq!((moisture.direction, &moisture.range), (Direction::HigherIsBetter, &(0.0..=100.0)));
    assert_eq!((moisture.label.zh.as_str(), moisture.label.en.as_str()), ("水分", "Moisture"));
}

#[test]
fn a_metric_that_cannot_be_is_refused_with_its_line() {
    const GOOD: &str = "schema = 1\n[[metric]]\nid = \"a\"\nlabel = { zh = \"甲\", en = \"A\" }\nunit = \"%\"\n\
                        better = \"higher\"\ndecimals = 1\nrange = [0, 100]\n";
    assert_eq!(metrics::parse(GOOD, "m.toml").unwrap().len(), 1);
    for (from, to, part) in [
        ("schema = 1", "schema = 2", "m.toml:1: schema: is 2; this gateway reads 1"),
        ("schema = 1\n", "", "m.toml:1: schema: is missing"),
        ("id = \"a\"", "id = \"A b\"", "m.toml:3: metric.id: \"A b\" cannot name a metric"),
        ("id = \"a\"\n", "", "m.toml:2: metric.id: is missing"),
        ("en = \"A\"", "en = \"\"", "m.toml:4: metric.label: needs both languages"),
        ("unit = \"%\"\n", "", "m.toml:2: metric.unit: is missing"),
        (
            "\"higher\"",
            "\"more\"",
            "m.toml:6: metric.better: \"more\" is no direction; known are higher, lower, target, neutral",
        ),
        (
            "\"higher\"",
            "\"target\"",
            "m.toml:2: metric.target: is missing; better = \"target\" needs the value that is best",
        ),
        ("\"higher\"", "\"target\"\ntarget = 101", "m.toml:7: metric.target: 101 lies outside the metric's own range"),
        ("\"higher\"", "\"higher\"\ntarget = 50", "m.toml:7: metric.target: means something only with better"),
        ("decimals = 1", "decimals = 9", "m.toml:7: metric.decimals: 9 is outside 0 to 8"),
        ("[0, 100]", "[100, 0]", "m.toml:8: metric.range: needs two numbers, the lower one first"),
        ("[0, 100]", "[0]", "m.toml:8: metric.range: needs two numbers"),
        ("[0, 100]", "[0, nan]", "metric.range: expects a finite number"),
        ("unit", "unti", "m.toml:5: metric.unti: no such key; did you mean unit?"),
    ] {
        let text = GOOD.replace(from, to);
        let report = metrics::parse(&text, "m.toml").expect_err(to).to_string();
        assert!(report.contains(part), "{to}: {report}");
    }
    let middle = metrics::parse(&GOOD.replace("\"higher\"", "\"target\"\ntarget = 50"), "m.toml").unwrap();
    assert_eq!((middle[0].direction, middle[0].target), (Direction::TowardsTarget, Some(50.0)));
    let twice = format!("{GOOD}{}", GOOD.replace("schema = 1\n", ""));
    assert!(metrics::parse(&twice, "m.toml").unwrap_err().to_string().contains("m.toml:9: metric.id: a stands twice"));
    assert!(metrics::parse("schema = 1", "m.toml").unwrap_err().to_string().contains("there is none"));
}
