//! The upstream file: the part of nginx's configuration that selects the slot.
//!
//! It has two forms. The reload form is one line, `set $service_url http://127.0.0.1:8081;`, rewritten at each
//! switch. The link form is written once; in it nginx asks the file system on every request, through the link
//! `DIR/live`. Which one a file has is found by reading it. A file that has neither is somebody else's, and so is one
//! whose address is no slot's: a switch changes the slot in an address, and nothing else of it.

pub mod link;
pub mod reload;

use crate::nginx::conf::{self, Directive, Word};
use crate::say::exit::Exit;
use crate::say::quoted;
use crate::site::address::{Address, Found};
use crate::site::advice::Advice;
use crate::site::settings::{Settings, Site};
use crate::site::slot::Slot;
use anyhow::{Context, Result, anyhow};
use clap::ValueEnum;
use shell_words::quote;
use std::ops::Range;
use std::path::Path;

/// The variable that `proxy_pass` names.
pub const VARIABLE: &str = "$service_url";

/// The form of an upstream file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// nginx looks the live slot up on every request; written once
    Link,
    /// One address, rewritten at each switch and followed by a reload
    Reload,
}

/// An upstream file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Its text.
    pub text: String,
    /// The address that requests go to, unless a condition holds.
    address: Word,
    /// In the link form, when they go elsewhere.
    condition: Option<link::Condition>,
    /// Where the directives stand that make the form.
    places: Vec<Range<usize>>,
}

/// The site that settings describe. Where they leave out how nginx reaches the slots, the upstream file has it.
///
/// # Errors
/// Those of [`Settings::site`].
pub fn site_of(settings: &Settings) -> Result<Site> {
    let mut site = settings.site()?;
    if settings.slot_url.is_none()
        && let Ok(upstream) = Upstream::read(&site.upstream_file)
        && let Some(found) = upstream.found(&site)
        && let Ok(plain) = found.address.to_string().parse()
    {
        site.address = plain;
    }
    Ok(site)
}

/// The upstream file, as a switch needs it: there, of one of the two forms, and with addresses that a switch can keep. To
/// be called before anything is touched for one.
///
/// # Errors
/// [`Exit::Refused`] for a file that is not there or has neither form; those of [`Upstream::ensure_movable`].
pub fn ensure_usable(site: &Site) -> Result<Upstream> {
    let upstream = match Upstream::read(&site.upstream_file) {
        Ok(upstream) => upstream,
        Err(_) if !site.upstream_file.exists() => return Err(missing(site)),
        Err(why) => {
            return Err(Exit::Refused.refuse(
                format!("{why:#}. Nothing was touched"),
                format!(
                    "write it anew, for a site that says proxy_pass {VARIABLE} (bg-switch --print-site): {}",
                    printed_to(site)
                ),
            ));
        }
    };
    upstream.ensure_movable(site).map(|()| upstream)
}

/// The refusal of a file that is not there. Where one slot alone runs, a switch to it makes the file.
fn missing(site: &Site) -> anyhow::Error {
    let file = site.upstream_file.display();
    let running: Vec<&Slot> = site.slots.both().iter().filter(|slot| slot.listens()).collect();
    let made = match running.as_slice() {
        [one] => Advice::call(site, "bg-switch", &["--to", one.name.as_str()]).to_string(),
        _ => printed_to(site),
    };
    let remedy = format!("have the site include it (`include {file};` in its server block), and make it: {made}");
    Exit::Refused.refuse(format!("{file} is not there. Nothing was touched"), remedy)
}

fn printed_to(site: &Site) -> String {
    let print = Advice::call(site, "bg-switch", &["--print-upstream"]);
    format!("{print} | sudo tee {}", quote(&site.upstream_file.to_string_lossy()))
}

/// Refuses an upstream file with an address that no switch could keep: to be called before anything is touched for one. A
/// file that is not there, or is not understood, is refused elsewhere.
///
/// # Errors
/// Those of [`Upstream::ensure_movable`].
pub fn ensure_movable(site: &Site) -> Result<()> {
    Upstream::read(&site.upstream_file).map_or(Ok(()), |upstream| upstream.ensure_movable(site))
}

impl Upstream {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// When it can't be read, or has neither form; the message names what was expected.
    pub fn read(path: &Path) -> Result<Upstream> {
        let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        Upstream::parse(text).with_context(|| path.display().to_string())
    }

    /// Understands the text of an upstream file.
    ///
    /// # Errors
    /// When it has neither form; the message names what was expected.
    pub fn parse(text: String) -> Result<Upstream> {
        let directives = conf::parse(&text).map_err(|why| expected(&why.to_string()))?;
        let (address, condition, places) = understood(&directives)?;
        Ok(Upstream { text, address, condition, places })
    }

    /// Its form.
    #[must_use]
    pub fn form(&self) -> Form {
        if self.condition.is_some() { Form::Link } else { Form::Reload }
    }

    /// Every address that requests may go to, as it stands there.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        let conditional = self.condition.as_ref().map(|condition| condition.address.text.as_str());
        std::iter::once(self.address.text.as_str()).chain(conditional)
    }

    /// The slot that the file sends requests to at this moment; `None` where it sends them somewhere else, and where
    /// this user may not look at what nginx looks at.
    #[must_use]
    pub fn points_at(&self, site: &Site) -> Option<Slot> {
        let address = match &self.condition {
            Some(condition) if condition.holds()? => &condition.address,
            _ => &self.address,
        };
        Address::find(&address.text, &site.app, &site.slots).map(|found| found.slot.clone())
    }

    /// The address it sends requests to unless a condition holds, where that is a slot's.
    #[must_use]
    pub fn found<'a>(&self, site: &'a Site) -> Option<Found<'a>> {
        Address::find(&self.address.text, &site.app, &site.slots)
    }

    /// Why it points at neither slot, in words.
    #[must_use]
    pub fn nowhere(&self, site: &Site) -> String {
        self.elsewhere(site).unwrap_or_else(|| "points at neither slot".to_owned())
    }

    /// Refuses a file that no switch could move without throwing away what stands in it: an address of which neither
    /// port is a slot's.
    ///
    /// # Errors
    /// [`Exit::Unsure`].
    pub fn ensure_movable(&self, site: &Site) -> Result<()> {
        let strange = |text: &&str| Address::find(text, &site.app, &site.slots).is_none();
        let Some(address) = self.addresses().find(strange) else { return Ok(()) };
        let [first, second] = site.slots.both();
        Err(Exit::Unsure.refuse(
            format!(
                "{} names {}, which is neither slot: {}, {} (--slots). Nothing was touched",
                site.upstream_file.display(),
                quoted(address),
                first.on_port(),
                second.on_port()
            ),
            format!(
                "give the ports that stand there with BG_SLOTS, or write the address of the slot that serves, like {}",
                site.address.of(first)
            ),
        ))
    }

    /// The text of the file with these directives in place of the ones that make its form, and nothing else changed.
    #[must_use]
    pub fn converted(&self, directives: &str) -> String {
        let mut text = self.text.clone();
        let Some((first, others)) = self.places.split_first() else { return text };
        // From the end, so that the places before stay right.
        for place in others.iter().rev() {
            let rest = &self.text[place.end..];
            let line = rest.find('\n').map_or(rest.len(), |end| end + 1);
            let end = if rest[..line].trim().is_empty() { place.end + line } else { place.end };
            text.replace_range(place.start..end, "");
        }
        text.replace_range(first.clone(), directives.trim_end());
        text
    }
}

impl Form {
    /// The form's name, as it stands in the record.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Form::Reload => "reload",
            Form::Link => "link",
        }
    }

    /// What may have kept nginx from serving the slot that a file of this form selects, in words.
    #[must_use]
    pub fn suspicion(self) -> &'static str {
        match self {
            Form::Reload => reload::SUSPICION,
            Form::Link => link::SUSPICION,
        }
    }
}

/// The address, the condition, and where they stand.
type Understood = (Word, Option<link::Condition>, Vec<Range<usize>>);

fn understood(directives: &[Directive]) -> Result<Understood> {
    let setting: Vec<&Directive> = directives.iter().filter(|directive| times_set(directive) > 0).collect();
    // The order counts: nginx obeys one after the other, and the last one wins.
    let read = match setting.as_slice() {
        [only] => set_address(only).map(|address| (address.clone(), None)),
        [first, then] => {
            set_address(first).zip(link::condition(then)).map(|(address, then)| (address.clone(), Some(then)))
        }
        _ => None,
    };
    let places = setting.iter().map(|directive| directive.span.clone()).collect();
    read.map(|(address, condition)| (address, condition, places)).ok_or_else(|| {
        match setting.iter().map(|directive| times_set(directive)).sum() {
            0 => expected(&format!("it has no line `set {VARIABLE} ...;`")),
            1 => expected(&format!("it sets {VARIABLE} inside a block")),
            times => expected(&format!("it sets {VARIABLE} {times} times")),
        }
    })
}

/// How often the variable is set in a directive, at any depth.
fn times_set(directive: &Directive) -> usize {
    let inside: usize = directive.block.iter().flatten().map(times_set).sum();
    inside + usize::from(set_address(directive).is_some())
}

fn expected(why: &str) -> anyhow::Error {
    anyhow!("{why}; expected one line like `set {VARIABLE} http://127.0.0.1:8081;`, so this file is left alone")
}

/// The address of `set $service_url ADDRESS;`.
fn set_address(directive: &Directive) -> Option<&Word> {
    match directive.words.as_slice() {
        [set, variable, address] if set.text == "set" && variable.text == VARIABLE && directive.block.is_none() => {
            Some(address)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::link::{Looks, Spelling};
    use super::*;

    fn site() -> Site {
        Site {
            app: "web".parse().unwrap(),
            slots: "set1=8081,set2=8082".parse().unwrap(),
            address: Address::default(),
            front: crate::site::settings::FrontSetting::Unset,
            front_host: None,
            dir: crate::site::dir::Dir::new("/nowhere".into()),
            upstream_file: "/nowhere/f".into(),
        }
    }

    fn points_at(text: &str) -> Option<String> {
        Upstream::parse(text.to_owned()).unwrap().points_at(&site()).map(|slot| slot.name.to_string())
    }

    #[test]
    fn the_reload_form_in_the_spellings_people_use() {
        for text in [
            "set $service_url http://127.0.0.1:8082;",
            "# old: set $service_url http://127.0.0.1:8081;\nset  $service_url\t\"http://localhost:8082/\" ;\n",
            "set\n$service_url\nhttp://127.0.0.1:8082; set $other 1;",
        ] {
            assert_eq!(points_at(text).as_deref(), Some("set2"), "{text}");
        }
        for text in [
            "set $service_url http://127.0.0.1:;",
            "set $service_url 127.0.0.1:8082;",
            "set $service_url http://web-blue:8080;",
        ] {
            assert_eq!(points_at(text), None, "{text}");
            let refused =
                Upstream::parse(text.to_owned()).unwrap().moved_to(&site(), site().slots.first()).unwrap_err();
            assert_eq!(Exit::of(&refused), Exit::Unsure, "{refused}");
        }
    }

    #[test]
    fn only_the_address_changes() {
        let text = "# who is live\n  set $service_url 'http://127.0.0.1:8081'; # here\nset $x y;\n";
        let moved = moved_to_set2(text);
        assert_eq!(moved, "# who is live\n  set $service_url http://127.0.0.1:8082; # here\nset $x y;\n");
    }

    fn moved_to_set2(text: &str) -> String {
        let set2 = site().slots.other(&"set1".parse().unwrap()).clone();
        Upstream::parse(text.to_owned()).unwrap().moved_to(&site(), &set2).unwrap()
    }

    #[test]
    fn scheme_host_and_path_of_an_address_stay() {
        for (from, to) in [
            ("https://127.0.0.1:8081", "https://127.0.0.1:8082"),
            ("http://172.17.0.1:8081/app", "http://172.17.0.1:8082/app"),
            ("http://host.docker.internal:8081/", "http://host.docker.internal:8082/"),
            ("http://[::1]:8081$request_uri", "http://[::1]:8082$request_uri"),
            ("https://web_set1/app", "https://web_set2/app"),
            ("'http://localhost:8081/a b'", "\"http://localhost:8082/a b\""),
        ] {
            assert_eq!(moved_to_set2(&format!("set $service_url {from};\n")), format!("set $service_url {to};\n"));
        }
    }

    #[test]
    fn the_link_form_follows_its_file() {
        let here = std::env::current_exe().unwrap();
        let text = |path: &Path| {
            format!(
                "set $service_url http://web_set1;\nif (-f {}) {{ set $service_url http://web_set2; }}\n",
                path.display()
            )
        };
        assert_eq!(points_at(&text(&here)).as_deref(), Some("set2"));
        assert_eq!(points_at(&text(Path::new("/nowhere/live/set2"))).as_deref(), Some("set1"));
        assert!(Upstream::parse(text(&here)).unwrap().moved_to(&site(), site().slots.first()).is_err());
    }

    #[test]
    fn a_conversion_and_its_way_back_keep_the_other_lines() {
        let reload = "# one\nset $a b;\n  set $service_url http://127.0.0.1:8081; # here\nset $c d;\n";
        let link = link::text(&site(), Spelling::Address, Looks::ForName, site().slots.first()).unwrap();
        let there = Upstream::parse(reload.to_owned()).unwrap().converted(&link);
        assert_eq!(there, reload.replace("set $service_url http://127.0.0.1:8081;", link.trim_end()));
        let there = there.replace(" # here", "");
        let back = Upstream::parse(there).unwrap().converted(&reload::text(&site(), site().slots.first()));
        assert_eq!(back, reload.replace(" # here", ""));
    }

    #[test]
    fn a_file_of_neither_form_is_not_ours() {
        for text in [
            "",
            "# nothing",
            "server { }",
            "set $service_url a; set $service_url b;",
            "if ($host = a) { set $service_url http://127.0.0.1:8081; }",
            "set $service_url http://127.0.0.1:8081; if ($host = a) { set $service_url http://127.0.0.1:8082; }",
            "if (-f /x) { set $service_url http://127.0.0.1:8082; } set $service_url http://127.0.0.1:8081;",
            "set $service_url http://127.0.0.1:8081; if (-f /x) { set $service_url http://127.0.0.1:8082; break; }",
            "set $service_url http://127.0.0.1:8081",
            "set $service_url;",
        ] {
            let message = Upstream::parse(text.to_owned()).unwrap_err().to_string();
            assert!(message.contains("expected one line like `set $service_url http://127.0.0.1:8081;`"), "{message}");
        }
    }
}
