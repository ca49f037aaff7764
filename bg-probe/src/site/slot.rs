//! The names everything hangs on: an application, its two slots, and a way to point at one of them.
//!
//! A name that got this far is safe in a path, in nginx's configuration and on a command line, because
//! nothing else parses.

use crate::os::port;
use crate::say::exit::{Exit, OrExit};
use crate::say::quoted;
use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::str::FromStr;

/// The name of an application or a slot: `[a-z0-9][a-z0-9_-]{0,31}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Name(String);

impl Name {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the place that a companion has beside the slots, which no slot is called.
    #[must_use]
    pub fn companion() -> Name {
        Name("companion".to_owned())
    }
}

impl FromStr for Name {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Name> {
        let inside = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_' || c == b'-';
        let starts_well = text.bytes().next().is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        ensure!(
            starts_well && text.len() <= 32 && text.bytes().all(inside),
            "\"{}\" is not a name: 1 to 32 of a-z, 0-9, _ and -, the first a letter or digit",
            quoted(text)
        );
        Ok(Name(text.to_owned()))
    }
}

impl Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One slot: a name and the TCP port its application listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The slot's name; the application gets it as its Spring profile.
    pub name: Name,
    /// The port on 127.0.0.1, never 0.
    pub port: u16,
}

/// The two slots of an application, in the operator's order: the first is used when none is live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slots([Slot; 2]);

impl Slot {
    /// The slot with its port, for messages: `set1 on 8081`.
    #[must_use]
    pub fn on_port(&self) -> String {
        format!("{} on {}", self.name, self.port)
    }

    /// The same with what the slot is there: `set1 is live on 8081`.
    #[must_use]
    pub fn being(&self, what: &str) -> String {
        format!("{} is {what} on {}", self.name, self.port)
    }

    /// The slot's port, for messages: `port 8081 of set1`.
    #[must_use]
    pub fn its_port(&self) -> String {
        format!("port {} of {}", self.port, self.name)
    }

    /// A word of a command in which `{slot}` and `{port}` are filled in.
    #[must_use]
    pub fn filled_in(&self, word: &str) -> String {
        word.replace("{slot}", self.name.as_str()).replace("{port}", &self.port.to_string())
    }

    /// Whether something holds the slot's port, at whatever address: it may be what serves.
    #[must_use]
    pub fn listens(&self) -> bool {
        port::listens(self.port)
    }

    /// The sockets that listen on the slot's port, by inode.
    ///
    /// # Errors
    /// When the kernel does not list its sockets.
    pub fn listeners(&self) -> Result<BTreeSet<u64>> {
        port::listeners(self.port)
    }

    /// The processes that listen on the slot's port, as far as this user may see.
    ///
    /// # Errors
    /// When the kernel does not list its sockets, or `/proc` can't be read.
    pub fn holders(&self) -> Result<Vec<i32>> {
        let sockets = self.listeners()?;
        if sockets.is_empty() { Ok(Vec::new()) } else { port::holders(&sockets) }
    }

    /// How many connections to the slot's port are established.
    ///
    /// # Errors
    /// When the kernel does not list its sockets.
    pub fn connections(&self) -> Result<usize> {
        port::established(self.port)
    }

    /// Whether anybody is connected to the slot's port, or was within the last minute.
    ///
    /// # Errors
    /// When the kernel does not list its sockets.
    pub fn was_visited(&self) -> Result<bool> {
        port::was_visited(self.port)
    }

    /// Whether any of these processes listens on the slot's port.
    ///
    /// # Errors
    /// When the kernel does not list its sockets.
    pub fn is_held_by(&self, pids: &[i32]) -> Result<bool> {
        Ok(port::ports_of(pids)?.contains(&self.port))
    }
}

/// A slot reads as its name.
impl Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.name.fmt(f)
    }
}

impl Slots {
    /// Two slots from names and ports.
    ///
    /// # Errors
    /// When there are not exactly two, or they share a name or a port, or a port is 0, or one is called what a
    /// [`Choice`] takes for a role.
    pub fn new(slots: Vec<Slot>) -> Result<Slots> {
        let [first, second]: [Slot; 2] = slots
            .try_into()
            .map_err(|other: Vec<Slot>| anyhow::anyhow!("{} slots given, exactly two are needed", other.len()))?;
        for Slot { name, .. } in [&first, &second] {
            ensure!(
                !matches!(name.as_str(), "live" | "idle"),
                "a slot can't be called {name}: live and idle say what a slot does at the moment"
            );
            ensure!(*name != Name::companion(), "a slot can't be called {name}: a companion has that place");
        }
        ensure!(first.name != second.name, "both slots are called {}", first.name);
        ensure!(first.port != second.port, "both slots have port {}", first.port);
        ensure!(first.port != 0 && second.port != 0, "0 is not a port: 1 to 65535");
        Ok(Slots([first, second]))
    }

    /// The slots of a record's `slots` object, in its order.
    ///
    /// # Errors
    /// When a name or a port is not one, or there are not exactly two.
    pub fn from_json(object: &Map<String, Value>) -> Result<Slots> {
        ensure!(object.len() == 2, "{} slots given, exactly two are needed", object.len());
        let slot = |(name, port): (&String, &Value)| Ok(Slot { name: name.parse()?, port: port_of(port)? });
        Slots::new(object.iter().map(slot).collect::<Result<_>>()?)
    }

    /// The slots as a record's `slots` object.
    #[must_use]
    pub fn to_json(&self) -> Map<String, Value> {
        self.0.iter().map(|slot| (slot.name.to_string(), slot.port.into())).collect()
    }

    /// The slot to start with when none is live.
    #[must_use]
    pub fn first(&self) -> &Slot {
        &self.0[0]
    }

    /// The slot of that name.
    ///
    /// # Errors
    /// When neither slot is called that; the message names both.
    pub fn named(&self, name: &str) -> Result<&Slot> {
        let [first, second] = &self.0;
        let found = self.0.iter().find(|slot| slot.name.as_str() == name);
        found.with_context(|| {
            format!("\"{}\" is not a slot: the slots are {} and {}", quoted(name), first.name, second.name)
        })
    }

    /// The slot that is not called that.
    #[must_use]
    pub fn other(&self, name: &Name) -> &Slot {
        if self.0[0].name == *name { &self.0[1] } else { &self.0[0] }
    }

    /// Both slots, in order.
    #[must_use]
    pub fn both(&self) -> &[Slot; 2] {
        &self.0
    }
}

impl FromStr for Slots {
    type Err = anyhow::Error;

    /// Reads `set1=8081,set2=8082`.
    fn from_str(text: &str) -> Result<Slots> {
        let slot = |part: &str| match part.split_once('=') {
            Some((name, port)) => Ok(Slot { name: name.trim().parse()?, port: port_of_text(port.trim())? }),
            None => bail!("\"{}\" is not a slot: write NAME=PORT,NAME=PORT", quoted(part)),
        };
        Slots::new(text.split(',').take(3).map(slot).collect::<Result<_>>()?)
    }
}

impl Display for Slots {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let [a, b] = &self.0;
        write!(f, "{}={},{}={}", a.name, a.port, b.name, b.port)
    }
}

/// A port from a JSON value.
///
/// # Errors
/// When it is not a whole number from 1 to 65535.
pub fn port_of(value: &Value) -> Result<u16> {
    port_of_text(&value.to_string())
}

fn port_of_text(text: &str) -> Result<u16> {
    match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => bail!("{} is not a port: 1 to 65535", quoted(text)),
    }
}

/// Which slot is meant: by name, or by what it is at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The slot that nginx does not send traffic to.
    Idle,
    /// The slot that nginx sends traffic to.
    Live,
    /// The slot of that name.
    Named(Name),
}

impl Choice {
    /// Refuses a name that is neither slot's, before anybody is asked which one is live.
    ///
    /// # Errors
    /// [`Exit::Usage`].
    pub fn ensure_one_of(&self, slots: &Slots) -> Result<()> {
        let Choice::Named(name) = self else { return Ok(()) };
        slots.named(name.as_str()).map(drop).context("--slot").or_exit(Exit::Usage)
    }
}

impl FromStr for Choice {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Choice> {
        match text {
            "idle" => Ok(Choice::Idle),
            "live" => Ok(Choice::Live),
            name => Ok(Choice::Named(name.parse()?)),
        }
    }
}

impl Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Choice::Idle => f.write_str("idle"),
            Choice::Live => f.write_str("live"),
            Choice::Named(name) => name.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_lower_case_and_harmless() {
        for good in ["a", "set1", "0-x_y", &"a".repeat(32)] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "_a", "Set1", "a;b", "a\nb", "../a", "a/b", "é", &"a".repeat(33)] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn slots_keep_the_operators_order() {
        let slots: Slots = "green=9002, blue=9001".parse().unwrap();
        assert_eq!(slots.first().name.as_str(), "green");
        assert_eq!(slots.to_string(), "green=9002,blue=9001");
        assert_eq!(slots.other(&slots.first().name).port, 9001);
        assert_eq!(Slots::from_json(&slots.to_json()).unwrap(), slots);
    }

    #[test]
    fn anything_but_two_different_slots_is_refused() {
        for bad in ["", "a=1", "a=1,b=2,c=3", "a=1,a=2", "a=1,b=1", "a=0,b=1", "a=1,b=65536", "a=1,b", "a=1,b=x"] {
            assert!(bad.parse::<Slots>().is_err(), "{bad:?}");
        }
        for role in ["live=1,b=2", "a=1,idle=2"] {
            let why = role.parse::<Slots>().unwrap_err().to_string();
            assert!(why.contains("say what a slot does at the moment"), "{why}");
        }
    }
}
