//! What the web server answered.

use reqwest::StatusCode;
use serde_json::Value;

/// An answer: status, version from the ETag, body.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub tag: Option<u64>,
    pub body: Value,
}

impl Answer {
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.status.is_success(), "{} {}", self.status, self.body);
        self
    }

    #[track_caller]
    pub fn refused(self, status: u16, what: &str) -> Self {
        let found = (self.status.as_u16(), self.body["error"]["what"].as_str().unwrap_or_default());
        assert_eq!(found, (status, what), "{}", self.body);
        for language in ["zh", "en"] {
            let sentence = self.body["error"][language].as_str().unwrap_or_default();
            assert!(sentence.chars().count() > 5, "no sentence in {language}: {}", self.body);
        }
        self
    }

    #[track_caller]
    pub fn text(&self, pointer: &str) -> String {
        let found = self.body.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_else(|| panic!("no text at {pointer}: {}", self.body)).to_owned()
    }

    #[track_caller]
    pub fn version(&self) -> u64 {
        self.body["version"].as_u64().unwrap_or_else(|| panic!("no version: {}", self.body))
    }
}
