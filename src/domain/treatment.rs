//! The salon's own treatments: which steps each has, and what the service sheet asks of a step beside that it was done. What is
//! noted of a step is kept by the step's name, as the tick is.

use super::metric::Label;

/// A product that is used in a step, by the salon's own name.
pub type Product = Label;

/// One step of a treatment.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its name in the file, unique within its treatment.
    pub id: String,
    pub name: Label,
    /// The device that it is done with; `None`: by hand.
    pub device: Option<Label>,
    /// Levels of that device, from 1; 0 where it has none.
    pub levels: u8,
    pub products: Vec<Product>,
    /// Remarks to tap.
    pub remarks: Vec<Label>,
}

/// One treatment.
#[derive(Debug, Clone, PartialEq)]
pub struct Treatment {
    /// Its name in the file, unique there.
    pub id: String,
    pub name: Label,
    /// Words of a booked service that mean this one.
    pub services: Vec<String>,
    /// At least one, in their order.
    pub steps: Vec<Step>,
}

/// A product and the batch that it came from.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Used {
    pub product: String,
    /// As printed on the package; empty where nobody looked.
    pub batch: String,
}

/// What was noted of a step. Empty texts and `None` mean: nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Noted {
    /// The level of the device.
    pub level: Option<u8>,
    /// What else it was set to, in the beautician's words.
    pub setting: String,
    pub products: Vec<Used>,
    pub remark: String,
}

impl Noted {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The treatment to begin with: the one that was chosen, else the one that the booked service names, else the first.
#[must_use]
pub fn fitting<'t>(treatments: &'t [Treatment], chosen: &str, service: &str) -> Option<&'t Treatment> {
    let by_id = treatments.iter().find(|one| one.id == chosen);
    let service = service.to_lowercase();
    let named = |one: &&Treatment| one.services.iter().any(|word| service.contains(&word.to_lowercase()));
    by_id.or_else(|| treatments.iter().find(named)).or_else(|| treatments.first())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn treatment(id: &str, services: &[&str]) -> Treatment {
        let name = Label { zh: id.to_owned(), en: id.to_owned() };
        let services = services.iter().map(|word| (*word).to_owned()).collect();
        Treatment { id: id.to_owned(), name, services, steps: Vec::new() }
    }

    #[test]
    fn what_was_chosen_comes_before_what_was_booked() {
        let all =
            [treatment("basic", &[]), treatment("moisture", &["补水", "Hydration"]), treatment("clear", &["清洁"])];
        let found = |chosen: &str, service: &str| fitting(&all, chosen, service).map(|one| one.id.as_str());
        assert_eq!(found("", ""), Some("basic"));
        assert_eq!([found("", "深层补水护理"), found("", "HYDRATION 60 min")], [Some("moisture"); 2]);
        assert_eq!(found("clear", "深层补水护理"), Some("clear"));
        assert_eq!(found("gone", "深层清洁"), Some("clear"), "a treatment that was taken out of the file");
        assert_eq!(fitting(&[], "", "").map(|one| &one.id), None);
    }
}
