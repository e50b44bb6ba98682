//! Whose appointment it is: what headquarters says of a person, held against the records of the store. Nobody is guessed: where
//! more than one record may be meant, or one says otherwise, a person decides.

use super::CustomerId;
use std::{collections::BTreeMap, fmt};

/// Digits of a telephone number below which it tells nobody apart.
const DIGITS: usize = 4;

/// Records that are offered to choose from.
pub const MOST: usize = 5;

/// Somebody as headquarters or a record names them; what is unknown is empty. `Debug` prints nothing of it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Person {
    pub member: String,
    /// A telephone number or its end.
    pub phone: String,
    pub name: String,
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Person")
    }
}

/// A comparison of one thing two sides say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    Same,
    Other,
    /// One of the two does not say.
    Unsaid,
}

fn fit(first: &str, second: &str, same: impl FnOnce(&str, &str) -> bool) -> Fit {
    match (first.is_empty(), second.is_empty()) {
        (false, false) if same(first, second) => Fit::Same,
        (false, false) => Fit::Other,
        _ => Fit::Unsaid,
    }
}

impl Person {
    fn digits(&self) -> String {
        self.phone.chars().filter(char::is_ascii_digit).collect()
    }

    /// The end of the telephone number by which records are looked up.
    #[must_use]
    pub fn phone_end(&self) -> Option<String> {
        let digits = self.digits();
        digits.len().checked_sub(DIGITS).map(|at| digits[at..].to_owned())
    }

    fn plain_name(&self) -> String {
        self.name.split_whitespace().collect::<String>().to_lowercase()
    }

    fn member_fits(&self, other: &Self) -> Fit {
        fit(self.member.trim(), other.member.trim(), |a, b| a.eq_ignore_ascii_case(b))
    }

    fn phone_fits(&self, other: &Self) -> Fit {
        let long = |digits: String| if digits.len() < DIGITS { String::new() } else { digits };
        fit(&long(self.digits()), &long(other.digits()), |a, b| a.ends_with(b) || b.ends_with(a))
    }

    fn name_fits(&self, other: &Self) -> Fit {
        fit(&self.plain_name(), &other.plain_name(), |a, b| a == b)
    }
}

/// What the records say to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// One record, and nothing in it says otherwise.
    This(CustomerId),
    /// These may be meant, the likeliest first; a person says which, or that it is someone new.
    Perhaps(Vec<CustomerId>),
    /// Somebody who was never here.
    Nobody,
}

/// How well a record fits; the order is that of likelihood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Likeness {
    /// Surely: the member number, and not both of the others against it; or phone and name, without another member number.
    Sure,
    Likely,
    Weak,
}

fn likeness(said: &Person, known: &Person) -> Option<Likeness> {
    let fits = (said.member_fits(known), said.phone_fits(known), said.name_fits(known));
    match fits {
        (Fit::Same, Fit::Other, Fit::Other) => Some(Likeness::Likely),
        (Fit::Same, ..) => Some(Likeness::Sure),
        (Fit::Unsaid, Fit::Same, Fit::Same) => Some(Likeness::Sure),
        (Fit::Other, Fit::Same, Fit::Same) => Some(Likeness::Likely),
        (_, Fit::Same, _) | (_, Fit::Unsaid, Fit::Same) | (Fit::Unsaid, Fit::Other, Fit::Same) => Some(Likeness::Weak),
        _ => None,
    }
}

/// Holds what is said against records; a person with several entries has several, under the same id.
#[must_use]
pub fn whose(said: &Person, known: &[(CustomerId, Person)]) -> Whose {
    let mut found: BTreeMap<CustomerId, Likeness> = BTreeMap::new();
    for (id, person) in known {
        if let Some(like) = likeness(said, person) {
            found.entry(*id).and_modify(|best| *best = like.min(*best)).or_insert(like);
        }
    }
    let sure: Vec<CustomerId> = found.iter().filter(|(_, like)| **like == Likeness::Sure).map(|(id, _)| *id).collect();
    if let [only] = sure[..] {
        return Whose::This(only);
    }
    if found.is_empty() {
        return Whose::Nobody;
    }
    let mut perhaps: Vec<(Likeness, CustomerId)> = found.into_iter().map(|(id, like)| (like, id)).collect();
    perhaps.sort_unstable();
    Whose::Perhaps(perhaps.into_iter().map(|(_, id)| id).take(MOST).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(member: &str, phone: &str, name: &str) -> Person {
        Person { member: member.into(), phone: phone.into(), name: name.into() }
    }

    fn held(said: (&str, &str, &str), known: &[(&str, &str, &str)]) -> Whose {
        let known: Vec<(CustomerId, Person)> = (1..)
            .zip(known)
            .map(|(n, (member, phone, name))| (CustomerId::from_bits(n), person(member, phone, name)))
            .collect();
        whose(&person(said.0, said.1, said.2), &known)
    }

    fn this(n: u128) -> Whose {
        Whose::This(CustomerId::from_bits(n))
    }

    fn perhaps<const N: usize>(ids: [u128; N]) -> Whose {
        Whose::Perhaps(ids.map(CustomerId::from_bits).to_vec())
    }

    #[test]
    fn a_member_number_tells_who_it_is_unless_everything_else_says_no() {
        let known = [("A1", "13800006688", "林若溪"), ("", "13900001234", "赵一")];
        assert_eq!(held(("A1", "", ""), &known), this(1));
        assert_eq!(held(("a1", "6688", "林 若溪"), &known), this(1));
        assert_eq!(held(("A1", "9999", "林若溪"), &known), this(1), "a new telephone");
        assert_eq!(held(("A1", "9999", "王五"), &known), perhaps([1]), "a mistyped number");
        let twice = [("A1", "13800006688", "林若溪"), ("A1", "13900001234", "赵一")];
        assert_eq!(held(("A1", "", ""), &twice), perhaps([1, 2]), "never two");
    }

    #[test]
    fn without_a_number_it_takes_phone_and_name() {
        let known = [("", "+86 138 0000 6688", "Lin Ruoxi"), ("B2", "13900006688", "Zhao Yi")];
        assert_eq!(held(("", "6688", "lin  ruoxi"), &known), this(1));
        assert_eq!(held(("", "13800006688", "Lin Ruoxi"), &known), this(1), "a whole number fits its spelling");
        assert_eq!(held(("", "6688", ""), &known), perhaps([1, 2]));
        assert_eq!(held(("", "", "Lin Ruoxi"), &known), perhaps([1]), "a name alone is nobody for sure");
        assert_eq!(held(("", "0000", "Lin Ruoxi"), &known), perhaps([1]), "a namesake, or a new telephone");
        assert_eq!(held(("C3", "6688", "Zhao Yi"), &known), perhaps([2, 1]), "another number: someone looks");
        assert_eq!(held(("C3", "1111", "Zhao Yi"), &known), Whose::Nobody);
        assert_eq!(held(("", "88", "Wang Wu"), &known), Whose::Nobody, "two digits tell nobody apart");
        let twins = [("", "13800006688", "林若溪"), ("", "13800006688", "林若溪")];
        assert_eq!(held(("", "6688", "林若溪"), &twins), perhaps([1, 2]));
    }

    #[test]
    fn entries_of_one_person_are_one_person() {
        let one = CustomerId::from_bits(7);
        let known = [(one, person("", "13800006688", "林若溪")), (one, person("A1", "", "林小溪"))];
        assert_eq!(whose(&person("A1", "6688", "林若溪"), &known), Whose::This(one));
        assert_eq!(whose(&person("", "", ""), &known), Whose::Nobody);
    }

    /// Whatever is unknown on either side: a record is taken for sure only where something that tells people apart is the same
    /// on both, and nothing as strong says otherwise.
    #[test]
    fn nobody_is_taken_for_sure_on_a_name_alone() {
        let says = |words: [&'static str; 3]| words.into_iter().collect::<Vec<_>>();
        let (members, phones, names) =
            (says(["", "A1", "B2"]), says(["", "6688", "1234"]), says(["", "林若溪", "赵一"]));
        let all = || {
            members
                .iter()
                .flat_map(|m| phones.iter().flat_map(move |p| [*m].map(|m| (m, *p))))
                .flat_map(|(m, p)| names.iter().map(move |n| (m, p, *n)))
        };
        let mut sure = 0;
        for said in all() {
            for known in all() {
                if held(said, &[known]) != this(1) {
                    continue;
                }
                sure += 1;
                let same = |a: &str, b: &str| !a.is_empty() && a == b;
                let other = |a: &str, b: &str| !a.is_empty() && !b.is_empty() && a != b;
                let by_member = same(said.0, known.0) && !(other(said.1, known.1) && other(said.2, known.2));
                let by_both = !other(said.0, known.0) && same(said.1, known.1) && same(said.2, known.2);
                assert!(by_member || by_both, "{said:?} is not surely {known:?}");
            }
        }
        assert!(sure > 50, "the sweep found {sure}");
    }
}
