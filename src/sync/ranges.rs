//! A set of sequence numbers as few inclusive ranges.

use super::reply::SeqRange;
use std::collections::BTreeMap;

/// Never holds two ranges that touch: neighbours are joined.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RangeSet(BTreeMap<u64, u64>);

impl RangeSet {
    /// Adds `first..=last`; an empty range (`last < first`) adds nothing.
    pub fn insert(&mut self, (mut first, mut last): SeqRange) {
        if last < first {
            return;
        }
        let touching: Vec<SeqRange> = self
            .0
            .range(..=last.saturating_add(1))
            .rev()
            .map(|(from, to)| (*from, *to))
            .take_while(|(_, to)| to.saturating_add(1) >= first)
            .collect();
        for (from, to) in touching {
            self.0.remove(&from);
            (first, last) = (first.min(from), last.max(to));
        }
        self.0.insert(first, last);
    }

    /// Takes `first..=last` out.
    pub fn remove(&mut self, (first, last): SeqRange) {
        if last < first {
            return;
        }
        let cut: Vec<SeqRange> =
            self.0.range(..=last).rev().map(|(from, to)| (*from, *to)).take_while(|(_, to)| *to >= first).collect();
        for (from, to) in cut {
            self.0.remove(&from);
            if from < first {
                self.0.insert(from, first - 1);
            }
            if to > last {
                self.0.insert(last + 1, to);
            }
        }
    }

    /// The lowest stretch that lies at `seq` or above, cut off below it.
    #[must_use]
    pub fn first_from(&self, seq: u64) -> Option<SeqRange> {
        let around = self.0.range(..=seq).next_back().filter(|(_, to)| **to >= seq).map(|(_, to)| (seq, *to));
        around.or_else(|| self.0.range(seq..).next().map(|(from, to)| (*from, *to)))
    }

    /// How many numbers are in it.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(from, to)| to - from + 1).sum()
    }

    /// The ranges, ascending.
    pub fn iter(&self) -> impl Iterator<Item = SeqRange> + '_ {
        self.0.iter().map(|(first, last)| (*first, *last))
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Every pair of operations on a small line of numbers, held against a plain set.
    #[test]
    fn it_is_a_set() {
        let ranges: Vec<SeqRange> = (1..=7).flat_map(|from| (from..=7).map(move |to| (from, to))).collect();
        for &a in &ranges {
            for &b in &ranges {
                for &c in &ranges {
                    let (mut set, mut plain) = (RangeSet::default(), BTreeSet::new());
                    set.insert(a);
                    plain.extend(a.0..=a.1);
                    set.remove(b);
                    plain.retain(|n| !(b.0..=b.1).contains(n));
                    set.insert(c);
                    plain.extend(c.0..=c.1);
                    assert_eq!(set.count(), plain.len() as u64, "{a:?} - {b:?} + {c:?}");
                    let told: BTreeSet<u64> = set.0.iter().flat_map(|(from, to)| *from..=*to).collect();
                    assert_eq!(told, plain, "{a:?} - {b:?} + {c:?}");
                    for seq in 0..=8 {
                        let expected = plain.range(seq..).next();
                        assert_eq!(set.first_from(seq).map(|r| r.0), expected.copied(), "from {seq} of {plain:?}");
                    }
                    let joined = set.0.iter().zip(set.0.iter().skip(1)).all(|((_, to), (from, _))| to + 1 < *from);
                    assert!(joined, "{:?}", set.0);
                }
            }
        }
    }

    #[test]
    fn the_ends_of_the_number_line_do_no_harm() {
        let mut set = RangeSet::default();
        set.insert((u64::MAX, u64::MAX));
        set.insert((0, 0));
        set.insert((5, 4));
        assert_eq!((set.first_from(1), set.count()), (Some((u64::MAX, u64::MAX)), 2));
        set.remove((0, u64::MAX));
        assert!(set.is_empty());
    }
}
