//! Messages of care: by whose clocks they are due, what the chain's consent texts allow, and how they are handed to whoever sends them.

use crate::{
    adapters::zones,
    domain::{
        Zone, day,
        follow_up::{Calendar, Kind},
    },
    sync::topic::is_name,
};
use openssl::base64::decode_block;
use reqwest::Url;
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fmt, fs,
    net::IpAddr,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Languages that a message may be meant to be written in.
const LANGUAGES: [&str; 3] = ["zh-Hans", "zh-Hant", "en"];

/// `[care]` as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawCare {
    time_zone: Option<String>,
    holidays: Option<Vec<String>>,
    language: Option<String>,
    #[serde(default)]
    consent: Vec<RawConsent>,
    #[serde(default)]
    stores: BTreeMap<String, RawPlace>,
    webhook: Option<RawWebhook>,
}

/// What may differ from store to store.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPlace {
    time_zone: Option<String>,
    holidays: Option<Vec<String>>,
    language: Option<String>,
}

/// What a text of the chain says that customers agree to.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConsent {
    text_versions: Vec<String>,
    kinds: Vec<String>,
    channels: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWebhook {
    url: String,
    secret_file: PathBuf,
    ca: Option<PathBuf>,
    #[serde(default)]
    private: bool,
}

/// Resolved.
#[derive(Debug, Clone)]
pub struct CareSettings {
    everywhere: Place,
    stores: BTreeMap<String, Place>,
    allowed: Vec<Allowed>,
    /// Where messages are pushed; `None`: whoever sends them takes them.
    pub webhook: Option<Webhook>,
}

/// A store's clocks, closed days and language.
#[derive(Debug, Clone)]
pub struct Place {
    pub calendar: Calendar,
    pub language: String,
}

/// What whoever agreed to one of these texts may be written, and by which ways.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Allowed {
    text_versions: Vec<String>,
    kinds: Vec<Kind>,
    channels: Vec<String>,
}

/// Where messages are pushed.
#[derive(Clone)]
pub struct Webhook {
    pub url: Url,
    /// Signs each message.
    pub secret: Zeroizing<Vec<u8>>,
    /// Authority of its certificate, PEM; `None`: those that the machine trusts.
    pub authority: Option<Vec<u8>>,
    /// It may lie on this machine or in a private network.
    pub private: bool,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("url", &self.url.as_str()).field("secret", &"***").finish_non_exhaustive()
    }
}

impl CareSettings {
    /// The store's own, or what holds everywhere.
    #[must_use]
    pub fn place(&self, store: &str) -> &Place {
        self.stores.get(store).unwrap_or(&self.everywhere)
    }

    /// The ways by which whoever agreed to this text may be written a message of this kind; none: not at all.
    #[must_use]
    pub fn channels(&self, kind: Kind, text_version: &str) -> Vec<String> {
        let names = |one: &&Allowed| {
            one.kinds.contains(&kind) && one.text_versions.iter().any(|version| version == text_version)
        };
        let mut channels: Vec<String> =
            self.allowed.iter().filter(names).flat_map(|one| one.channels.iter().cloned()).collect();
        channels.sort_unstable();
        channels.dedup();
        channels
    }

    /// Whether any text of the chain speaks of messages of this kind.
    #[must_use]
    pub fn speaks_of(&self, kind: Kind) -> bool {
        self.allowed.iter().any(|one| one.kinds.contains(&kind))
    }
}

impl RawCare {
    /// Relative paths are taken from the file's folder.
    pub(super) fn take_paths_from(&mut self, folder: &Path) {
        if let Some(RawWebhook { secret_file, ca, .. }) = &mut self.webhook {
            *secret_file = folder.join(&*secret_file);
            *ca = ca.take().map(|ca| folder.join(ca));
        }
    }

    /// # Errors
    /// A sentence that says what is missing or wrong.
    pub fn resolve(self) -> Result<CareSettings, String> {
        let Self { time_zone, holidays, language, consent, stores, webhook } = self;
        let everywhere = RawPlace { time_zone, holidays, language };
        if consent.is_empty() {
            return Err("missing: [[care.consent]]; say which consent texts of the chain allow messages, of which kinds and by which \
                        ways, or leave [care] out: without one nothing is ever offered"
                .to_owned());
        }
        let allowed = consent.into_iter().map(RawConsent::resolve).collect::<Result<_, _>>()?;
        let mut places = BTreeMap::new();
        for (store, own) in stores {
            if !is_name(&store) {
                return Err(format!("care.stores: {store:?} is no store; write a name such as sh-001"));
            }
            let place = own.or(&everywhere).resolve(&format!("care.stores.{store}"))?;
            places.insert(store, place);
        }
        let webhook = webhook.map(RawWebhook::resolve).transpose()?;
        Ok(CareSettings { everywhere: everywhere.resolve("care")?, stores: places, allowed, webhook })
    }
}

impl RawPlace {
    fn or(self, other: &Self) -> Self {
        Self {
            time_zone: self.time_zone.or_else(|| other.time_zone.clone()),
            holidays: self.holidays.or_else(|| other.holidays.clone()),
            language: self.language.or_else(|| other.language.clone()),
        }
    }

    fn resolve(self, place: &str) -> Result<Place, String> {
        let Self { time_zone, holidays, language } = self;
        let name = time_zone.ok_or_else(|| format!("missing: {place}.time_zone, such as \"Asia/Shanghai\""))?;
        let zone: Zone = zones::named(&name).map_err(|fault| format!("{place}.time_zone: {fault}"))?;
        let days = holidays.unwrap_or_default();
        let days = days.iter().map(|days| day::holiday(days).map_err(|fault| format!("{place}.holidays: {fault}")));
        let calendar = Calendar::new(zone, days.collect::<Result<Vec<_>, _>>()?.concat());
        let language = language.unwrap_or_else(|| LANGUAGES[0].to_owned());
        if !LANGUAGES.contains(&language.as_str()) {
            return Err(format!("{place}.language: {language:?} is none of {}", LANGUAGES.join(", ")));
        }
        Ok(Place { calendar, language })
    }
}

impl RawConsent {
    fn resolve(self) -> Result<Allowed, String> {
        let Self { text_versions, kinds, channels } = self;
        if text_versions.is_empty() || kinds.is_empty() || channels.is_empty() {
            return Err("care.consent: text_versions, kinds and channels name at least one each".to_owned());
        }
        if let Some(wrong) = channels.iter().find(|channel| !is_name(channel)) {
            return Err(format!(
                "care.consent.channels: {wrong:?}; use small letters, digits and dashes, such as wechat"
            ));
        }
        let kinds = kinds.iter().map(|kind| kind.parse().map_err(|fault| format!("care.consent.kinds: {fault}")));
        Ok(Allowed { text_versions, kinds: kinds.collect::<Result<_, _>>()?, channels })
    }
}

impl RawWebhook {
    fn resolve(self) -> Result<Webhook, String> {
        let Self { url, secret_file, ca, private } = self;
        let url: Url = url.parse().map_err(|fault| format!("care.webhook.url: {url:?} is no address: {fault}"))?;
        let address = url.host_str().and_then(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().ok());
        if !private && (url.scheme() != "https" || address.is_some_and(|address| !is_public(address))) {
            return Err(format!(
                "care.webhook.url: {url} is not https:// to a public address; set care.webhook.private = true where the receiver is on \
                 this machine or in a network of your own"
            ));
        }
        let read = |path: &Path| fs::read(path).map_err(|fault| format!("{}: {fault}", path.display()));
        let text = Zeroizing::new(String::from_utf8_lossy(&read(&secret_file)?).into_owned());
        let secret =
            text.trim().strip_prefix("whsec_").and_then(|secret| decode_block(secret).ok()).map(Zeroizing::new);
        let secret = secret.filter(|secret| secret.len() >= 24).ok_or_else(|| {
            format!(
                "{}: not whsec_ and at least 24 bytes in base64; make one with: echo whsec_$(openssl rand -base64 32)",
                secret_file.display()
            )
        })?;
        Ok(Webhook { url, secret, authority: ca.as_deref().map(read).transpose()?, private })
    }
}

/// Neither this machine nor a network of somebody's own.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            let shared = (a, b & 0b1100_0000) == (100, 64);
            let none =
                address.is_unspecified() || address.is_broadcast() || address.is_multicast() || a == 0 || a >= 240;
            !(address.is_private() || address.is_loopback() || address.is_link_local() || shared || none)
        }
        IpAddr::V6(address) => {
            let first = address.segments()[0];
            let own = (first & 0xfe00) == 0xfc00 || (first & 0xffc0) == 0xfe80;
            !(own || address.is_loopback() || address.is_unspecified() || address.is_multicast())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "[[consent]]\ntext_versions = [\"2026-11\"]\nkinds = [\"care\", \"skin\"]\nchannels = [\"wechat\", \"sms\"]\n";

    fn read(head: &str, tail: &str) -> Result<CareSettings, String> {
        toml::from_str::<RawCare>(&format!("{head}\n{TEXT}{tail}")).map_err(|fault| fault.to_string())?.resolve()
    }

    #[test]
    fn a_text_allows_what_it_names_and_a_store_may_have_its_own_days() {
        let own = "[stores.tw-001]\nlanguage = \"zh-Hant\"\nholidays = [\"2026-10-10\", \"2027-02-05..2027-02-11\"]";
        let settings = read("time_zone = \"Asia/Shanghai\"", own).unwrap();
        assert_eq!(settings.channels(Kind::Care, "2026-11"), ["sms", "wechat"]);
        assert!(settings.speaks_of(Kind::Skin) && !settings.speaks_of(Kind::Birthday));
        assert!(settings.channels(Kind::Away, "2026-11").is_empty() && settings.channels(Kind::Care, "1").is_empty());
        assert_eq!(
            (settings.place("sh-001").language.as_str(), settings.place("tw-001").language.as_str()),
            ("zh-Hans", "zh-Hant")
        );
        let day: crate::domain::Day = "2026-10-10".parse().unwrap();
        assert_eq!(settings.place("tw-001").calendar.open_from(day), day.plus(1));
        assert_eq!(settings.place("sh-001").calendar.open_from(day), day);
        // A week at New Year, in the words of the gateway's own calendar.
        let (first, after): (crate::domain::Day, crate::domain::Day) =
            ("2027-02-05".parse().unwrap(), "2027-02-12".parse().unwrap());
        for n in 0..7 {
            assert_eq!(settings.place("tw-001").calendar.open_from(first.plus(n)), after);
        }
        for (wrong, why) in [("2027-02-11..2027-02-05", "is before"), ("2027-01-01..2027-12-31", "longer than 62 days")]
        {
            let refused = read(&format!("time_zone = \"UTC\"\nholidays = [\"{wrong}\"]"), "").unwrap_err();
            assert!(refused.contains("care.holidays") && refused.contains(why), "{refused}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_a_remedy() {
        assert!(read("", "").unwrap_err().contains("care.time_zone"));
        assert!(read("time_zone = \"Mars/Base\"", "").unwrap_err().contains("tzdata"));
        assert!(read("time_zone = \"UTC\"\nlanguage = \"fr\"", "").unwrap_err().contains("none of zh-Hans"));
        assert!(RawCare::default().resolve().unwrap_err().contains("[[care.consent]]"));
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        fs::write(&secret, format!("whsec_{}\n", openssl::base64::encode_block(&[7; 32]))).unwrap();
        let webhook = |url: &str, more: &str| {
            let tail = format!("[webhook]\nurl = \"{url}\"\nsecret_file = \"{}\"\n{more}", secret.display());
            read("time_zone = \"UTC\"", &tail).map(|settings| settings.webhook.unwrap())
        };
        assert_eq!(webhook("https://crm.example/care", "").unwrap().secret.as_slice(), [7; 32]);
        for url in [
            "http://crm.example/care",
            "https://127.0.0.1/",
            "https://10.1.2.3/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
        ] {
            assert!(webhook(url, "").unwrap_err().contains("private = true"), "{url}");
        }
        assert!(webhook("http://10.1.2.3/care", "private = true").is_ok());
        fs::write(&secret, "hunter2").unwrap();
        assert!(webhook("https://crm.example/care", "").unwrap_err().contains("openssl rand"));
    }
}
