//! Framings that make a mark impossible inside a frame: COBS, SLIP (RFC 1055) and escape bytes (as HDLC has them).
//!
//! What lies inside is payload and checksum; where a frame ends is known from its mark alone.

/// How the inside of a frame is written so that its marks cannot appear there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stuffing {
    /// Zero bytes replaced by distances; a zero byte ends the frame.
    Cobs,
    /// `C0` at both ends; inside `DB DC` for `C0`, `DB DD` for `DB`.
    Slip,
    /// Inside, `escape` and the byte xor'ed for each of the three marks, and for others that the device never sends bare
    /// (XON and XOFF in SHDLC).
    Escaped { start: u8, end: u8, escape: u8, xor: u8, others: [Option<u8>; MOST_OTHERS] },
}

/// So many bytes beside the marks may be escaped.
pub const MOST_OTHERS: usize = 4;

const SLIP_END: u8 = 0xC0;
const SLIP_ESCAPE: u8 = 0xDB;
const SLIP_PAIRS: [(u8, u8); 2] = [(0xDC, SLIP_END), (0xDD, SLIP_ESCAPE)];

/// The longest run of bytes that one COBS code counts.
const COBS_RUN: usize = 254;

impl Stuffing {
    /// The byte that ends a frame.
    #[must_use]
    pub const fn end(self) -> u8 {
        match self {
            Self::Cobs => 0,
            Self::Slip => SLIP_END,
            Self::Escaped { end, .. } => end,
        }
    }

    /// The byte that begins a frame, where it has one.
    #[must_use]
    pub const fn start(self) -> Option<u8> {
        match self {
            Self::Cobs => None,
            Self::Slip => Some(SLIP_END),
            Self::Escaped { start, .. } => Some(start),
        }
    }

    /// Whether the same byte must stand before and behind a frame. (SLIP allows it to be left out before.)
    #[must_use]
    pub const fn has_one_mark(self) -> bool {
        match self {
            Self::Escaped { start, end, .. } => start == end,
            Self::Cobs | Self::Slip => false,
        }
    }

    /// The longest frame there can be around so many bytes, marks included.
    #[must_use]
    pub const fn most(self, inside: usize) -> usize {
        match self {
            Self::Cobs => inside + inside / COBS_RUN + 2,
            Self::Slip | Self::Escaped { .. } => 2 * inside + 2,
        }
    }

    /// A whole frame round `inside`.
    #[must_use]
    pub fn wrap(self, inside: &[u8]) -> Vec<u8> {
        let mut frame = Vec::with_capacity(self.most(inside.len()));
        match self {
            Self::Cobs => cobs(inside, &mut frame),
            Self::Slip => {
                frame.push(SLIP_END);
                for byte in inside {
                    match SLIP_PAIRS.iter().find(|(_, plain)| plain == byte) {
                        Some((code, _)) => frame.extend([SLIP_ESCAPE, *code]),
                        None => frame.push(*byte),
                    }
                }
            }
            Self::Escaped { start, end, escape, xor, others } => {
                frame.push(start);
                for byte in inside {
                    if [start, end, escape].contains(byte) || others.contains(&Some(*byte)) {
                        frame.extend([escape, byte ^ xor]);
                    } else {
                        frame.push(*byte);
                    }
                }
            }
        }
        frame.push(self.end());
        frame
    }

    /// Writes what lies between the marks into `inside`; `false` where no sender writes it so.
    #[must_use]
    pub fn unwrap_into(self, between: &[u8], inside: &mut Vec<u8>) -> bool {
        inside.clear();
        match self {
            Self::Cobs => un_cobs(between, inside),
            Self::Slip => {
                let plain = |code| SLIP_PAIRS.iter().find(|(known, _)| *known == code).map(|(_, plain)| *plain);
                unescape(between, SLIP_ESCAPE, plain, inside)
            }
            Self::Escaped { start, end, escape, xor, others } => {
                let is_escaped = |byte: &u8| [start, end, escape].contains(byte) || others.contains(&Some(*byte));
                unescape(between, escape, |code| Some(code ^ xor).filter(is_escaped), inside)
                    && !between.iter().any(|byte| others.contains(&Some(*byte)))
            }
        }
    }
}

fn cobs(inside: &[u8], frame: &mut Vec<u8>) {
    let mut runs = inside.split(|byte| *byte == 0).peekable();
    while let Some(run) = runs.next() {
        let mut full = run.chunks_exact(COBS_RUN);
        for chunk in &mut full {
            frame.push(0xFF);
            frame.extend(chunk);
        }
        // A run of exactly 254 bytes at the very end needs no further code.
        if !(full.remainder().is_empty() && !run.is_empty() && runs.peek().is_none()) {
            frame.push(full.remainder().len() as u8 + 1);
            frame.extend(full.remainder());
        }
    }
}

fn un_cobs(mut between: &[u8], inside: &mut Vec<u8>) -> bool {
    while let Some((code, rest)) = between.split_first() {
        let Some((run, behind)) = rest.split_at_checked(usize::from(*code).wrapping_sub(1)) else { return false };
        inside.extend(run);
        if *code != 0xFF && !behind.is_empty() {
            inside.push(0);
        }
        between = behind;
    }
    true
}

fn unescape(between: &[u8], escape: u8, plain: impl Fn(u8) -> Option<u8>, inside: &mut Vec<u8>) -> bool {
    let mut bytes = between.iter();
    while let Some(byte) = bytes.next() {
        if *byte != escape {
            inside.push(*byte);
            continue;
        }
        match bytes.next().and_then(|code| plain(*code)) {
            Some(byte) => inside.push(byte),
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [Option<u8>; MOST_OTHERS] = [None; MOST_OTHERS];

    const ALL: [Stuffing; 5] = [
        Stuffing::Cobs,
        Stuffing::Slip,
        Stuffing::Escaped { start: 0x7E, end: 0x7E, escape: 0x7D, xor: 0x20, others: NONE },
        Stuffing::Escaped { start: 0x02, end: 0x03, escape: 0x1B, xor: 0x80, others: NONE },
        SHDLC,
    ];

    const SHDLC: Stuffing = Stuffing::Escaped {
        start: 0x7E,
        end: 0x7E,
        escape: 0x7D,
        xor: 0x20,
        others: [Some(0x11), Some(0x13), None, None],
    };

    /// A thermometer that never sends XON and XOFF bare could not be read at room temperature: half of its frames hold an
    /// escaped 11 or 13, and were dropped as written by nobody.
    #[test]
    fn bytes_that_are_no_marks_are_escaped_where_the_device_does_so() {
        let inside = [0x10, 0x11, 0x12, 0x13, 0x7D];
        let frame = SHDLC.wrap(&inside);
        assert_eq!(frame, [0x7E, 0x10, 0x7D, 0x31, 0x12, 0x7D, 0x33, 0x7D, 0x5D, 0x7E]);
        assert_eq!(back(SHDLC, &frame), Some(inside.to_vec()));
        assert_eq!(back(SHDLC, &[0x7E, 0x11, 0x7E]), None, "it never sends that bare");
    }

    /// What lies between the marks, and what comes out of it.
    fn back(stuffing: Stuffing, frame: &[u8]) -> Option<Vec<u8>> {
        let from = usize::from(stuffing.start().is_some());
        let mut inside = Vec::new();
        stuffing.unwrap_into(&frame[from..frame.len() - 1], &mut inside).then_some(inside)
    }

    #[test]
    fn whatever_is_wrapped_comes_back_and_holds_no_mark() {
        let mut dice = fastrand::Rng::with_seed(3);
        for stuffing in ALL {
            for length in 0..700 {
                let marks = [0, 0xC0, 0xDB, 0x7E, 0x7D, 0x02, 0x03, 0x1B, 0x11, 0x13];
                let byte = |dice: &mut fastrand::Rng| if dice.bool() { dice.u8(..) } else { marks[dice.usize(..10)] };
                let inside: Vec<u8> = (0..length).map(|_| byte(&mut dice)).collect();
                let frame = stuffing.wrap(&inside);
                let body = &frame[usize::from(stuffing.start().is_some())..frame.len() - 1];
                assert!(!body.contains(&stuffing.end()), "{stuffing:?}, {length} bytes");
                assert!(frame.len() <= stuffing.most(length), "{stuffing:?}, {length} bytes");
                assert_eq!(back(stuffing, &frame), Some(inside), "{stuffing:?}, {length} bytes");
            }
        }
    }

    #[test]
    fn runs_round_the_longest_code_come_back() {
        for length in [253, 254, 255, 508, 509] {
            let inside = vec![7; length];
            assert_eq!(back(Stuffing::Cobs, &Stuffing::Cobs.wrap(&inside)), Some(inside), "{length}");
        }
    }

    #[test]
    fn what_no_sender_writes_is_refused() {
        for (stuffing, between) in
            [(ALL[0], vec![5, 1]), (ALL[1], vec![0xDB]), (ALL[1], vec![0xDB, 1]), (ALL[2], vec![0x7D, 1])]
        {
            assert!(!stuffing.unwrap_into(&between, &mut Vec::new()), "{stuffing:?} {between:X?}");
        }
    }
}
