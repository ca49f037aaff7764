//! New inputs from old ones: what a disk, a network, an editor or an attacker makes of them.

/// Where a parser's numbers end, and what begins or ends something in one of our formats.
const TOKENS: [&[u8]; 34] = [
    b"0",
    b"-1",
    b"65535",
    b"65536",
    b"2147483647",
    b"-2147483648",
    b"4294967295",
    b"18446744073709551615",
    b"1e308",
    b"\"",
    b"\\\"",
    b"'",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b";",
    b",",
    b"=",
    b"$",
    b"\n",
    b"\r\n",
    b"\0",
    b"\t",
    b"#",
    b"../",
    b"\x1b[2J",
    b"\xff\xfe",
    b"\xe2\x80\xae",
    b"PK\x05\x06",
    b"null",
    b"UP",
    b"$(id)",
];

/// Longer than anything that is read whole.
const LONGEST: usize = 100 * 1024;

/// Pseudo-random numbers (xorshift64*): the same seed gives the same run.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed | 1)
    }

    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11
    }

    /// A number below `end`; 0 where there is none.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX);
        usize::try_from(self.roll().checked_rem(end).unwrap_or(0)).unwrap_or(0)
    }

    fn byte(&mut self) -> u8 {
        self.roll().to_le_bytes()[0]
    }

    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        start..start + self.below((length - start).min(64) + 1)
    }
}

/// Changes an input in one to six ways; `other` is one to take a piece from.
pub(crate) fn mutate(input: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    for _ in 0..=dice.below(6) {
        once(input, other, dice);
    }
    input.truncate(LONGEST);
}

fn once(input: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let at = dice.below(input.len() + 1);
    let range = dice.range(input.len());
    match dice.below(64) {
        0..10 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << dice.below(8);
            }
        }
        10..16 => input.insert(at, dice.byte()),
        16..26 => drop(input.drain(range)),
        26..36 => insert(input, at, TOKENS[dice.below(TOKENS.len())]),
        36..44 => drop(input.splice(range, TOKENS[dice.below(TOKENS.len())].iter().copied())),
        44..50 => {
            let piece = input[range].to_vec();
            insert(input, at, &piece);
        }
        50..54 => input.truncate(at),
        54..58 => insert(input, at, &other[dice.range(other.len())]),
        58..63 => drop(input.splice(range, other[dice.range(other.len())].iter().copied())),
        // Seldom, for it is slow: one piece again and again, as in a nesting without an end.
        _ => {
            let piece =
                if range.is_empty() { TOKENS[dice.below(TOKENS.len())].to_vec() } else { input[range].to_vec() };
            if dice.below(16) == 0 {
                insert(input, at, &piece.repeat(1 << dice.below(13)));
            }
        }
    }
}

fn insert(input: &mut Vec<u8>, at: usize, piece: &[u8]) {
    input.splice(at..at, piece.iter().copied());
}
