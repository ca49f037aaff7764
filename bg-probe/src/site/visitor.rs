//! The kinds of visitors: for each the link form has a file in a route, or none.

use crate::site::slot::{Name, Slot};
use std::fmt::{self, Display};

/// How many numbers there are: each visitor has one of them, from 1 on.
pub const NUMBERS: u8 = 100;

/// The header by which a request from this machine says which kind of visitor it is; from elsewhere it is dropped.
pub const HEADER: &str = "X-Bg-Visitor";

/// The page of a site printed `--with preview` that gives the cookie of a pass to whoever has it.
pub const PASS_PAGE: &str = "/_bg/preview";

/// A kind of visitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visitor {
    /// Whoever asks which slot is live.
    Prober,
    /// One with this number, of [`NUMBERS`].
    Number(u8),
    /// One who sees this slot, whatever is live.
    Of(Name),
    /// One who sees the slot that is not live.
    Preview,
    /// One who was in this slot before, by a cookie, and stays there where there is a file for it.
    WasIn(Name),
}

impl Visitor {
    /// The kind's name in nginx's configuration, and in the name of its file. A dot stands before it there, which no
    /// slot's name has, and no number or role is taken for a slot's name.
    #[must_use]
    pub fn kind(&self) -> String {
        match self {
            Visitor::Prober => "live".to_owned(),
            Visitor::Number(number) => number.to_string(),
            Visitor::Of(slot) => format!("only-{slot}"),
            Visitor::Preview => "preview".to_owned(),
            Visitor::WasIn(slot) => format!("keep-{slot}"),
        }
    }

    /// The header by which a request is of this kind.
    #[must_use]
    pub fn header(&self, app: &Name) -> (&'static str, String) {
        match self {
            Visitor::WasIn(slot) => ("Cookie", format!("{}={slot}", variable(app, "slot").trim_start_matches('$'))),
            _ => (HEADER, self.to_string()),
        }
    }

    /// The name of the file that sends this kind to `slot`.
    #[must_use]
    pub fn file(&self, slot: &Slot) -> String {
        format!("{slot}.{}", self.kind())
    }
}

/// What the header says for this kind.
impl Display for Visitor {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Visitor::Of(slot) => slot.fmt(f),
            Visitor::Prober | Visitor::Number(_) | Visitor::Preview | Visitor::WasIn(_) => f.write_str(&self.kind()),
        }
    }
}

/// The name that nginx's variables have for an application, and that ends in what they are: `bg_web_bucket`. A variable's
/// name has no hyphen, and one that begins with a digit is a capture.
#[must_use]
pub fn variable(app: &Name, what: &str) -> String {
    format!("$bg_{}_{what}", app.as_str().replace('-', "_"))
}

/// The variable with the kind of the visitor whose request it is.
#[must_use]
pub fn bucket(app: &Name) -> String {
    variable(app, "bucket")
}
