//! The upstream file: the part of nginx's configuration that says which slot it serves.
//!
//! It has two forms. The reload form is one line, `set $service_url http://127.0.0.1:8081;`, rewritten at each
//! switch. The link form is written once; in it nginx asks the file system on every request, through the link
//! `DIR/live`. Which one a file has is told by reading it. A file that has neither is somebody else's.

use crate::nginx::conf::{self, Directive, Word};
use crate::site::settings::Site;
use crate::site::slot::{Name, Slot, Slots};
use anyhow::{Context, Result, anyhow, ensure};
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The variable that `proxy_pass` names.
pub const VARIABLE: &str = "$service_url";

/// An upstream file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Its text.
    pub text: String,
    /// Its form, and what it says in it.
    pub form: Form,
    /// Where the directives stand that make the form.
    places: Vec<Range<usize>>,
}

/// What an upstream file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// The address that every request goes to.
    Reload {
        /// The address in `set $service_url`.
        address: Word,
    },
    /// Two addresses, and the file that decides between them.
    Link {
        /// The path of `if (-f PATH)`.
        flag: PathBuf,
        /// The address while that file is there.
        there: Word,
        /// The address while it is not.
        otherwise: Word,
    },
}

impl Upstream {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// When it can't be read, or has neither form; the message says what was expected.
    pub fn read(path: &Path) -> Result<Upstream> {
        let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        Upstream::parse(text).with_context(|| path.display().to_string())
    }

    /// Understands the text of an upstream file.
    ///
    /// # Errors
    /// When it has neither form; the message says what was expected.
    pub fn parse(text: String) -> Result<Upstream> {
        let directives = conf::parse(&text).map_err(|why| expected(&why.to_string()))?;
        let (form, places) = form(&directives)?;
        Ok(Upstream { text, form, places })
    }

    /// The slot that the file sends requests to at this moment; `None` where it sends them somewhere else, and where
    /// this user may not look at what nginx looks at.
    #[must_use]
    pub fn points_at(&self, site: &Site) -> Option<Name> {
        let address = match &self.form {
            Form::Reload { address } => address,
            // What nginx does on every request: a stat that follows links (`-f`, ngx_http_rewrite_module).
            Form::Link { flag, there, otherwise } => match std::fs::metadata(flag) {
                Ok(meta) if meta.is_file() => there,
                Ok(_) => otherwise,
                Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => otherwise,
                Err(_) => return None,
            },
        };
        slot_at(&address.text, &site.app, &site.slots).map(|slot| slot.name.clone())
    }

    /// Why it points at neither slot, in words.
    #[must_use]
    pub fn nowhere(&self, site: &Site) -> String {
        match &self.form {
            Form::Link { flag, .. } if flag.parent() != Some(&site.dir.live()) => format!(
                "looks at {}, and not into --dir {} (are the settings loaded? set -a; . FILE; set +a, or bg-deploy --env-file FILE)",
                flag.parent().unwrap_or(flag).display(),
                site.dir.root().display()
            ),
            _ => "points at neither slot".to_owned(),
        }
    }

    /// The text of the file in the reload form with its address changed to `slot`'s, and nothing else.
    ///
    /// # Errors
    /// When the file has the link form, which is written once.
    pub fn moved_to(&self, slot: &Slot) -> Result<String> {
        let Form::Reload { address } = &self.form else { return Err(anyhow!("the file has the link form")) };
        let mut text = self.text.clone();
        text.replace_range(address.span.clone(), &address_of(slot));
        Ok(text)
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
    pub fn name(&self) -> &'static str {
        match self {
            Form::Reload { .. } => "reload",
            Form::Link { .. } => "link",
        }
    }
}

/// The address of a slot, as it stands in the reload form. An IP address, never `localhost`: in a variable
/// `proxy_pass` a name needs a resolver.
#[must_use]
pub fn address_of(slot: &Slot) -> String {
    format!("http://127.0.0.1:{}", slot.port)
}

/// The whole text of a new file in the reload form.
#[must_use]
pub fn reload_form(slot: &Slot) -> String {
    format!("set {VARIABLE} {};\n", address_of(slot))
}

/// The whole text of a new file in the link form: `otherwise` unless the other slot's name is a file behind `live`.
/// With `groups` it names the printed site's `upstream` groups, else the addresses themselves.
///
/// # Errors
/// When the path of the link can't stand in nginx's configuration as it is.
pub fn link_form(site: &Site, groups: bool, otherwise: &Slot) -> Result<String> {
    let there = site.slots.other(&otherwise.name);
    let flag = site.dir.live().join(there.name.as_str());
    let flag = flag.to_str().context("the folder's path is not UTF-8")?;
    let plain = |c: char| c.is_alphanumeric() || "/._-+@,=~".contains(c);
    ensure!(
        flag.chars().all(plain),
        "{flag:?} can't stand in nginx's configuration: choose a --dir of letters, digits and /._-+@,=~"
    );
    let address = |slot| if groups { format!("http://{}", group_of(&site.app, slot)) } else { address_of(slot) };
    Ok(format!("set {VARIABLE} {};\nif (-f {flag}) {{ set {VARIABLE} {}; }}\n", address(otherwise), address(there)))
}

/// The name of a slot's `upstream` group in the printed site.
#[must_use]
pub fn group_of(app: &Name, slot: &Slot) -> String {
    format!("{app}_{}", slot.name)
}

fn slot_at<'a>(address: &str, app: &Name, slots: &'a Slots) -> Option<&'a Slot> {
    let authority = address.strip_prefix("http://")?.trim_end_matches('/');
    slots.both().iter().find(|slot| {
        let by_port = authority.rsplit_once(':').is_some_and(|(host, port)| {
            matches!(host, "127.0.0.1" | "localhost" | "[::1]") && port.parse() == Ok(slot.port)
        });
        by_port || authority == group_of(app, slot)
    })
}

fn form(directives: &[Directive]) -> Result<(Form, Vec<Range<usize>>)> {
    let setting: Vec<&Directive> = directives.iter().filter(|directive| times_set(directive) > 0).collect();
    // The order counts: nginx obeys one after the other, and the last one wins.
    let form = match setting.as_slice() {
        [only] => set_address(only).map(|address| Form::Reload { address: address.clone() }),
        [first, then] => set_address(first).zip(if_file(then)).map(|(otherwise, (flag, there))| Form::Link {
            flag,
            there: there.clone(),
            otherwise: otherwise.clone(),
        }),
        _ => None,
    };
    let places = setting.iter().map(|directive| directive.span.clone()).collect();
    form.map(|form| (form, places)).ok_or_else(|| match setting.iter().map(|directive| times_set(directive)).sum() {
        0 => expected(&format!("it has no line `set {VARIABLE} ...;`")),
        1 => expected(&format!("it sets {VARIABLE} inside a block")),
        times => expected(&format!("it sets {VARIABLE} {times} times")),
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

/// The path and the address of `if (-f PATH) { set $service_url ADDRESS; }`.
fn if_file(directive: &Directive) -> Option<(PathBuf, &Word)> {
    let texts = directive.texts();
    let (&"if", condition) = texts.split_first()? else { return None };
    let condition = condition.join(" ");
    let path = condition.strip_prefix('(')?.strip_suffix(')')?.trim().strip_prefix("-f ")?;
    let [only] = directive.block.as_deref()? else { return None };
    Some((PathBuf::from(path.trim().trim_matches('"')), set_address(only)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> Site {
        Site {
            app: "web".parse().unwrap(),
            slots: "set1=8081,set2=8082".parse().unwrap(),
            front: crate::site::settings::FrontSetting::Unset,
            front_host: None,
            dir: crate::site::dir::Dir::new("/nowhere".into()),
            upstream_file: "/nowhere/f".into(),
        }
    }

    fn points_at(text: &str) -> Option<String> {
        Upstream::parse(text.to_owned()).unwrap().points_at(&site()).map(|slot| slot.to_string())
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
            "set $service_url http://10.0.0.1:8082;",
        ] {
            assert_eq!(points_at(text), None, "{text}");
        }
    }

    #[test]
    fn only_the_address_changes() {
        let text = "# who is live\n  set $service_url 'http://127.0.0.1:8081'; # here\nset $x y;\n";
        let moved =
            Upstream::parse(text.to_owned()).unwrap().moved_to(site().slots.other(&"set1".parse().unwrap())).unwrap();
        assert_eq!(moved, "# who is live\n  set $service_url http://127.0.0.1:8082; # here\nset $x y;\n");
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
        assert!(Upstream::parse(text(&here)).unwrap().moved_to(site().slots.first()).is_err());
    }

    #[test]
    fn a_conversion_and_its_way_back_keep_the_other_lines() {
        let reload = "# one\nset $a b;\n  set $service_url http://127.0.0.1:8081; # here\nset $c d;\n";
        let link = link_form(&site(), false, site().slots.first()).unwrap();
        let there = Upstream::parse(reload.to_owned()).unwrap().converted(&link);
        assert_eq!(there, reload.replace("set $service_url http://127.0.0.1:8081;", link.trim_end()));
        let there = there.replace(" # here", "");
        let back = Upstream::parse(there).unwrap().converted(&reload_form(site().slots.first()));
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
