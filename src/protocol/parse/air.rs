//! `[transport.ble]`.

use crate::protocol::{
    air::{Advertises, AirRole, Ble, Broadcast, Characteristic, Write, number, shown, uuid_of},
    bthome,
    framing::Kind,
    reader::{Complaints, Reader},
    spec::Spec,
};
use uuid::Uuid;

/// What is to be sent needs a characteristic to be written to.
pub(super) fn check(spec: &Spec, complaints: &Complaints) {
    let numbered = spec.framing.kind == Kind::Notification;
    if numbered && (spec.serial.is_some() || spec.ble.is_none()) {
        complaints.add("framing.kind", "notification is for the air alone: [transport.ble] without [transport.serial]");
    }
    if spec.command_framing.kind == Kind::Notification && !numbered {
        complaints.add("command_framing.kind", "notification stands only beside [framing] kind = \"notification\"");
    }
    let Some(ble) = &spec.ble else { return };
    if ble.broadcast.is_some() && (!numbered || !ble.characteristics.is_empty()) {
        complaints.add(
            "transport.ble.broadcast",
            "is for a device that is never connected: leave characteristic out, and write framing kind = \"notification\"",
        );
    }
    if numbered {
        numbers(spec, ble, complaints);
    } else if ble.readable().next().is_some() {
        complaints.add(
            "transport.ble.characteristic",
            "the role read is for framing kind = \"notification\": in a stream nobody could tell what was read",
        );
    }
    if ble.command().is_none() && !spec.commands.is_empty() {
        complaints
            .add("transport.ble.characteristic", "needs one with the role command: the file has commands to send");
    }
}

/// Each message says which characteristic it is from, and each characteristic is understood.
fn numbers(spec: &Spec, ble: &Ble, complaints: &Complaints) {
    if ble.broadcast.is_some() {
        let begins = bthome::SERVICE.to_be_bytes();
        for message in
            spec.messages.iter().filter(|message| message.matches.len() != 3 || message.matches[..2] != begins)
        {
            let problem = "must be FC D2 and the number of an object, such as \"FC D2 02\"";
            complaints.add(format!("message {:?}.match", message.name), problem);
        }
        return;
    }
    let heard: Vec<(String, Vec<u8>)> =
        ble.sending().chain(ble.readable()).map(|one| (shown(one.uuid), number(one.uuid))).collect();
    for message in &spec.messages {
        if !heard.iter().any(|(_, number)| message.matches.starts_with(number)) {
            let known: Vec<&str> = heard.iter().map(|(name, _)| name.as_str()).collect();
            complaints.add(
                format!("message {:?}.match", message.name),
                format!("must begin with the number of a characteristic that is heard: {}", known.join(", ")),
            );
        }
    }
    for (name, number) in &heard {
        if !spec.messages.iter().any(|message| message.matches.starts_with(number)) {
            complaints
                .add("transport.ble.characteristic", format!("no message begins with {name}; leave it out or add one"));
        }
    }
}

pub(super) fn read(table: &Reader<'_>) -> Ble {
    let advertises = table.table("advertises").map(|signs| advertises(&signs)).unwrap_or_default();
    if advertises == Advertises::default() {
        table.complain(
            "advertises",
            "must say how the device is recognised; write for example advertises = { service = \"1809\" }",
        );
    }
    let characteristics: Vec<Characteristic> =
        table.tables("characteristic").iter().filter_map(characteristic).collect();
    let commands = characteristics.iter().filter(|one| one.role == AirRole::Command).count();
    if commands > 1 {
        table.complain("characteristic", "only one can have the role command");
    }
    let broadcast = table.opt_word::<Broadcast>("broadcast");
    if broadcast.is_none() && !characteristics.iter().any(|one| matches!(one.role, AirRole::Notify | AirRole::Indicate))
    {
        table.complain(
            "characteristic",
            "needs one with the role notify or indicate: nothing would be heard of the device",
        );
    }
    for (at, one) in characteristics.iter().enumerate() {
        if characteristics[..at].iter().any(|other| other.uuid == one.uuid && other.role == one.role) {
            table.complain("characteristic", format!("{} is listed twice", shown(one.uuid)));
        }
    }
    Ble { advertises, characteristics, broadcast, numbered: false }
}

fn advertises(signs: &Reader<'_>) -> Advertises {
    let manufacturer = signs.opt_text("manufacturer").and_then(|text| {
        let company = (text.len() == 4).then(|| u16::from_str_radix(&text, 16).ok()).flatten();
        if company.is_none() {
            signs.complain(
                "manufacturer",
                format!("{text:?} is no company number; write its four hex digits, as \"0499\""),
            );
        }
        company
    });
    let name = signs.opt_text("name");
    if name.as_ref().is_some_and(String::is_empty) {
        signs.complain("name", "must have at least one letter: every name begins with nothing");
    }
    Advertises { service: signs.has("service").then(|| uuid(signs, "service")).flatten(), name, manufacturer }
}

fn characteristic(table: &Reader<'_>) -> Option<Characteristic> {
    let uuid = uuid(table, "uuid");
    let role = table.word::<AirRole>("role");
    let write = table.opt_word::<Write>("write");
    match (role?, write) {
        (AirRole::Command, None) => {
            table.complain("write", "is missing; write \"with-response\" or \"without-response\"")
        }
        (AirRole::Notify | AirRole::Indicate | AirRole::Read, Some(_)) => {
            table.complain("write", "is for the role command; leave it out")
        }
        _ => {}
    }
    Some(Characteristic { uuid: uuid?, role: role?, write })
}

fn uuid(table: &Reader<'_>, key: &'static str) -> Option<Uuid> {
    let text = table.text(key);
    let uuid = uuid_of(&text);
    if uuid.is_none() && !text.is_empty() {
        table.complain(
            key,
            format!("{text:?} is no UUID; write the four digits of the SIG, as \"2A1C\", or all 36 characters"),
        );
    }
    uuid
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::air::shown;

    const REST: &str = "
        [framing]
        kind = \"delimited\"
        end = \"\\n\"
        separator = \",\"
        [[metric]]
        id = \"moisture\"
        [[message]]
        name = \"m\"
        match = \"M\"
        field = [{ metric = \"moisture\", width = \"decimal\", unit = \"%\" }]
        [[command]]
        name = \"c\"
        match = \"C\"
    ";

    fn parse(transport: &str) -> Result<Spec, String> {
        let head = "schema = 1\nid = \"pen\"\nversion = \"1\"\ntitle = { zh = \"x\", en = \"x\" }\nsource = \"s\"\n";
        Spec::parse("pen", &format!("{head}{transport}{REST}")).map_err(|faults| faults.to_string())
    }

    #[test]
    fn a_table_without_mistakes_is_understood_beside_a_serial_line_and_without_one() {
        let air = "[transport.ble]\nadvertises = { service = \"1809\", name = \"DR-\", manufacturer = \"0499\" }\n\
                   characteristic = [{ uuid = \"2A1C\", role = \"indicate\" }, \
                   { uuid = \"2A21\", role = \"command\", write = \"with-response\" }]\n";
        let spec = parse(air).unwrap();
        let ble = spec.ble.clone().unwrap();
        assert!(spec.serial.is_none() && spec.usb().is_empty());
        assert_eq!(ble.advertises.service.map(shown).as_deref(), Some("1809"));
        assert_eq!((ble.advertises.name.as_deref(), ble.advertises.manufacturer), (Some("DR-"), Some(0x0499)));
        assert_eq!(ble.sending().map(|one| shown(one.uuid)).collect::<Vec<_>>(), ["2A1C"]);
        assert_eq!(
            ble.command().map(|one| (shown(one.uuid), one.write)),
            Some(("2A21".into(), Some(Write::WithResponse)))
        );
        let both = parse(&format!("[transport.serial]\nbaud = 9600\n{air}")).unwrap();
        assert_eq!((both.serial.map(|serial| serial.baud), both.ble), (Some(9600), spec.ble));
    }

    #[test]
    fn each_mistake_is_told_with_its_place_and_remedy() {
        let mistakes = [
            ("[transport]\n", "transport.serial: is missing; write [transport.serial]"),
            ("[transport.ble]\n", "transport.ble.advertises: must say how the device is recognised"),
            ("[transport.ble]\n", "transport.ble.characteristic: needs one with the role notify"),
            ("[transport.ble]\nadvertises = { service = \"18099\" }\n", "advertises.service: \"18099\" is no UUID"),
            ("[transport.ble]\nadvertises = { manufacturer = \"Nordic\" }\n", "\"Nordic\" is no company number"),
            ("[transport.ble]\nadvertises = { name = \"\" }\n", "advertises.name: must have at least one letter"),
            ("[transport.ble]\nadvertise = { name = \"x\" }\n", "did you mean \"advertises\"?"),
            ("[transport.ble]\ncharacteristic = [{ uuid = \"2A1C\", role = \"command\" }]\n", "write: is missing"),
            ("[transport.ble]\ncharacteristic = [{ uuid = \"2A1C\", role = \"notfy\" }]\n", "did you mean \"notify\"?"),
            (
                "[transport.ble]\ncharacteristic = [{ uuid = \"2A1C\", role = \"notify\", write = \"with-response\" }]\n",
                "is for the role command; leave it out",
            ),
            (
                "[transport.ble]\ncharacteristic = [{ uuid = \"2A1C\", role = \"notify\" }, { uuid = \"2A1C\", role = \"notify\" }]\n",
                "2A1C is listed twice",
            ),
            (
                "[transport.ble]\nadvertises = { name = \"x\" }\ncharacteristic = [{ uuid = \"2A1C\", role = \"notify\" }]\n",
                "needs one with the role command: the file has commands to send",
            ),
        ];
        for (transport, wanted) in mistakes {
            let faults = parse(transport).unwrap_err();
            assert!(faults.contains(wanted), "{transport}: {wanted:?} is missing in:\n{faults}");
        }
    }

    #[test]
    fn notifications_say_whose_they_are_and_each_is_understood() {
        let file = |transport: &str, framing: &str, matches: &str| {
            let text = format!(
                "schema = 1\nid = \"pen\"\nversion = \"1\"\ntitle = {{ zh = \"x\", en = \"x\" }}\nsource = \"s\"\n{transport}\
                 [framing]\n{framing}\n[[message]]\nname = \"m\"\nmatch = \"{matches}\"\n\
                 field = [{{ metric = \"moisture\", width = \"u8\", unit = \"%\" }}]\n[[metric]]\nid = \"moisture\"\n"
            );
            Spec::parse("pen", &text).map_err(|faults| faults.to_string())
        };
        let ble = "[transport.ble]\nadvertises = { service = \"181A\" }\n";
        let one = format!("{ble}characteristic = [{{ uuid = \"2A6F\", role = \"notify\" }}]\n");
        let kind = "kind = \"notification\"";
        assert!(file(&one, kind, "2A 6F").unwrap().ble.unwrap().numbered);
        let two = format!(
            "{ble}characteristic = [{{ uuid = \"2A6F\", role = \"notify\" }}, {{ uuid = \"2A19\", role = \"read\" }}]\n"
        );
        let line = format!("[transport.serial]\nbaud = 9600\n{one}");
        let stream = "kind = \"fixed-length\"\nstart = \"AA\"\nframe_bytes = 4";
        let mistakes = [
            (&one, kind, "2A 6E", "must begin with the number of a characteristic that is heard: 2A6F"),
            (&two, kind, "2A 6F", "no message begins with 2A19; leave it out or add one"),
            (&line, kind, "2A 6F", "notification is for the air alone"),
            (&two, stream, "01", "the role read is for framing kind = \"notification\""),
            (&one, "kind = \"notification\"\nstart = \"AA\"", "2A 6F", "framing.start: is no key of this table"),
        ];
        for (transport, framing, matches, wanted) in mistakes {
            let faults = file(transport, framing, matches).unwrap_err();
            assert!(faults.contains(wanted), "{wanted:?} is missing in:\n{faults}");
        }
    }
}
