//! An error with whatever name BlueZ or the bus would give it.

use zbus::{
    message::{Header, Message},
    names::ErrorName,
};

/// What a call is answered with instead of doing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    name: String,
    text: String,
}

impl Fault {
    /// `Failed` → `org.bluez.Error.Failed`; a name with a dot is taken as it is.
    #[must_use]
    pub fn new(name: &str, text: &str) -> Self {
        let name = if name.contains('.') { name.to_owned() } else { format!("org.bluez.Error.{name}") };
        Self { name, text: text.to_owned() }
    }

    pub(crate) fn failed(text: &str) -> Self {
        Self::new("Failed", text)
    }
}

impl From<zbus::Error> for Fault {
    fn from(error: zbus::Error) -> Self {
        Self::failed(&error.to_string())
    }
}

impl zbus::DBusError for Fault {
    fn create_reply(&self, call: &Header<'_>) -> zbus::Result<Message> {
        Message::error(call, self.name.clone())?.build(&(self.text.as_str(),))
    }

    fn name(&self) -> ErrorName<'_> {
        ErrorName::try_from(self.name.as_str()).expect("tests give sound names")
    }

    fn description(&self) -> Option<&str> {
        Some(&self.text)
    }
}
