//! Which store is in which ring. Pure. Drawn from the package's own digest: whoever works it out gets the same rings, and the same stores
//! are not the pilot each time.

use openssl::sha::sha256;

/// A store at the start of a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub store: String,
    /// It is there, and understands packages: a pilot that is closed proves nothing.
    pub ready: bool,
}

/// The rings: the pilot, then up to each percentage of all stores. An empty ring is left out, so that a small chain has fewer.
///
/// # Errors
/// Which of the named pilots is no store.
pub fn draw(
    candidates: &[Candidate],
    named: &[String],
    (pilot, percent): (usize, &[u32]),
    digest: &str,
) -> Result<Vec<Vec<String>>, String> {
    if let Some(wrong) = named.iter().find(|name| candidates.iter().all(|one| one.store != **name)) {
        return Err(format!("no gateway of store {wrong} was ever heard; skinlink-hq stores lists all"));
    }
    let lot = |one: &Candidate| sha256(format!("{digest} {}", one.store).as_bytes());
    let mut drawn: Vec<&Candidate> = candidates.iter().collect();
    drawn.sort_by_key(|one| (!named.contains(&one.store), !one.ready, lot(one)));
    let named_ones = candidates.iter().filter(|one| named.contains(&one.store)).count();
    let first = if named.is_empty() { pilot } else { named_ones }.min(drawn.len());
    // Behind the pilot those that are away are spread: a ring of them alone would never be proven.
    drawn[first..].sort_by_key(|one| lot(one));
    let ends = percent.iter().map(|percent| (drawn.len() * *percent as usize).div_ceil(100));
    let (mut rings, mut from) = (Vec::new(), 0);
    for to in std::iter::once(first).chain(ends).chain([drawn.len()]) {
        let to = to.min(drawn.len());
        if to > from {
            rings.push(drawn[from..to].iter().map(|one| one.store.clone()).collect());
            from = to;
        }
    }
    Ok(rings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stores(count: usize) -> Vec<Candidate> {
        (0..count).map(|at| Candidate { store: format!("sh-{at:03}"), ready: at % 4 != 0 }).collect()
    }

    fn sizes(count: usize, named: &[&str]) -> Vec<usize> {
        let named: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
        draw(&stores(count), &named, (10, &[50, 100]), "d").unwrap().iter().map(Vec::len).collect()
    }

    #[test]
    fn every_store_is_in_one_ring_and_the_same_draw_gives_the_same() {
        assert_eq!(sizes(200, &[]), [10, 90, 100]);
        assert_eq!(sizes(200, &["sh-000", "sh-004"]), [2, 98, 100]);
        assert_eq!((sizes(12, &[]), sizes(3, &[]), sizes(0, &[])), (vec![10, 2], vec![3], vec![]));
        let all = draw(&stores(200), &[], (10, &[50, 100]), "d").unwrap();
        assert_eq!(all, draw(&stores(200), &[], (10, &[50, 100]), "d").unwrap());
        assert_ne!(all, draw(&stores(200), &[], (10, &[50, 100]), "e").unwrap(), "not always the same pilots");
        let mut names: Vec<&String> = all.iter().flatten().collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 200);
        let ready = |name: &String| stores(200).iter().any(|one| one.store == *name && one.ready);
        assert!(all[0].iter().all(ready), "a pilot is there");
    }

    #[test]
    fn named_pilots_are_the_pilot() {
        let named = ["sh-008".to_owned()];
        assert_eq!(draw(&stores(20), &named, (10, &[100]), "d").unwrap()[0], named);
        assert!(draw(&stores(2), &["nowhere".to_owned()], (10, &[100]), "d").unwrap_err().contains("nowhere"));
    }
}
