//! `[transport.ble]`.

use super::{list, one_of, table};
use crate::protocol::air::{AirRole, Broadcast, Write};
use serde_json::{Value, json};

pub(super) fn ble() -> Value {
    let name = json!({ "type": "string", "minLength": 1 });
    let manufacturer = json!({ "type": "string", "pattern": "^[0-9A-Fa-f]{4}$" });
    let mut advertises = table(
        &[],
        &[
            ("service", "A service it advertises.", uuid()),
            ("name", "How its name begins.", name),
            ("manufacturer", "Company number of its manufacturer data: four hex digits.", manufacturer),
        ],
    );
    advertises["minProperties"] = 1.into();
    let characteristic = table(
        &["uuid", "role"],
        &[
            ("uuid", "The characteristic.", uuid()),
            (
                "role",
                "Written to (command), sends by itself (notify, indicate), or is read at each connection (read).",
                one_of(AirRole::WORDS),
            ),
            ("write", "Whether its radio answers a command; only for the role command.", one_of(Write::WORDS)),
        ],
    );
    table(
        &["advertises"],
        &[
            ("advertises", "How it is recognised in the air; all that is stated must fit.", advertises),
            ("broadcast", "What it says in its advertisements, where it is never connected.", one_of(Broadcast::WORDS)),
            ("characteristic", "Those that carry the bytes; one has the role command at most.", list(&characteristic)),
        ],
    )
}

/// Four digits of the Bluetooth SIG, or a whole UUID.
fn uuid() -> Value {
    let pattern = "^([0-9A-Fa-f]{4}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$";
    json!({ "type": "string", "pattern": pattern })
}
