//! The record: one JSON object on one line, handed from stage to stage.
//!
//! What a stage knows is read out and checked once, here. Everything else stays in the object as it came, so
//! that a stage never loses what an older or a newer one wrote.

use crate::os::http;
use crate::say::exit::{Exit, OrExit};
use crate::say::{quoted, stdout};
use crate::site::address::Address;
use crate::site::advice::note_record;
use crate::site::dir::Dir;
use crate::site::settings::{self, FrontSetting, Settings, Site, text_of};
use crate::site::slot::{Slot, Slots, port_of};
use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::io::{IsTerminal, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;

/// The longest record, in bytes, with its newline.
pub const MOST_RECORD: usize = 64 * 1024;

/// One record: the site, the slot this run is for, the slot that was live when it began, and what the stages
/// have added.
#[derive(Clone, Debug)]
pub struct Record {
    /// The application it is about.
    pub site: Site,
    /// The slot this run is for.
    pub slot: Slot,
    /// The slot that was live when `bg-probe` looked.
    pub live: Option<Slot>,
    fields: Map<String, Value>,
}

impl Record {
    /// A new record, as `bg-probe` mints it.
    #[must_use]
    pub fn new(site: Site, slot: Slot, live: Option<Slot>) -> Record {
        Record { site, slot, live, fields: Map::new() }
    }

    /// Reads one line. The errors name the key that is wrong and what it should be.
    ///
    /// # Errors
    /// [`Exit::NoRecord`].
    pub fn parse(line: &[u8]) -> Result<Record> {
        understand(line).or_exit(Exit::NoRecord)
    }

    /// Reads the one record on stdin.
    ///
    /// An empty pipe is a stage before this one that failed and has printed why: the error is silent.
    ///
    /// # Errors
    /// [`Exit::NoRecord`].
    pub fn from_stdin() -> Result<Record> {
        let mut stdin = std::io::stdin().lock();
        if stdin.is_terminal() {
            return Err(Exit::NoRecord.because("no record on stdin: put bg-probe before this stage, or name a slot"));
        }
        let mut line = Vec::new();
        let limit = MOST_RECORD as u64 + 1;
        stdin.by_ref().take(limit).read_to_end(&mut line).context("read stdin").or_exit(Exit::NoRecord)?;
        if line.is_empty() {
            let piped = std::fs::metadata("/proc/self/fd/0").is_ok_and(|stdin| stdin.file_type().is_fifo());
            return Err(if piped {
                Exit::NoRecord.silently()
            } else {
                Exit::NoRecord.because("stdin is empty, a record was expected: put bg-probe before this stage")
            });
        }
        note_record();
        Record::parse(&line)
    }

    /// The same record as this stage's own command line has it: what was typed there wins.
    ///
    /// # Errors
    /// [`Exit::Usage`] when slots were typed of which the record's is none.
    pub fn overruled(mut self, by: &Settings) -> Result<Record> {
        self.site = by.over(self.site)?;
        let known =
            |slot: &Slot| self.site.slots.named(slot.name.as_str()).cloned().context("--slots").or_exit(Exit::Usage);
        self.slot = known(&self.slot)?;
        self.live = self.live.as_ref().map(known).transpose()?;
        Ok(self)
    }

    /// The slot that was live beside this one when `bg-probe` looked.
    #[must_use]
    pub fn live_beside(&self) -> Option<&Slot> {
        self.live.as_ref().filter(|live| **live != self.slot)
    }

    /// What a stage has added under its name, if it has.
    ///
    /// # Errors
    /// [`Exit::NoRecord`], when it is there but not of the expected form.
    pub fn get<T: DeserializeOwned>(&self, stage: &str) -> Result<Option<T>> {
        let Some(value) = self.fields.get(stage) else { return Ok(None) };
        // serde's message quotes the value, which may be long.
        let wrong = |e: serde_json::Error| format!("{stage:?} in the record: {}", quoted(&e.to_string()));
        serde_json::from_value(value.clone()).map(Some).map_err(|e| Exit::NoRecord.because(wrong(e)))
    }

    /// Adds what a stage found out, under the stage's name.
    ///
    /// # Errors
    /// When it can't be written as JSON.
    pub fn set(&mut self, stage: &str, facts: &impl Serialize) -> Result<()> {
        self.fields.insert(stage.to_owned(), serde_json::to_value(facts)?);
        Ok(())
    }

    /// Takes away what was added under a name.
    pub fn unset(&mut self, name: &str) {
        self.fields.shift_remove(name);
    }

    /// The record as a line, with its newline.
    ///
    /// # Errors
    /// When it is longer than [`MOST_RECORD`].
    pub fn to_line(&self) -> Result<String> {
        let site = &self.site;
        let mut line: Map<String, Value> = Map::new();
        line.insert("bg".into(), 1.into());
        line.insert("app".into(), site.app.as_str().into());
        line.insert("slot".into(), self.slot.name.as_str().into());
        line.insert("port".into(), self.slot.port.into());
        line.insert("live".into(), self.live.as_ref().map(|live| live.name.as_str()).into());
        line.insert("slots".into(), site.slots.to_json().into());
        if site.address != Address::default() {
            line.insert("slot_url".into(), site.address.to_string().into());
        }
        line.insert("dir".into(), text_of(site.dir.root())?.into());
        line.insert(
            "front".into(),
            match &site.front {
                FrontSetting::At(url) => url.to_string().into(),
                FrontSetting::Unset => Value::Null,
            },
        );
        if let Some(host) = &site.front_host {
            line.insert("front_host".into(), host.as_str().into());
        }
        line.insert("upstream_file".into(), text_of(&site.upstream_file)?.into());
        for (key, value) in &self.fields {
            line.entry(key.as_str()).or_insert_with(|| value.clone());
        }
        let line = serde_json::to_string(&line)? + "\n";
        ensure!(line.len() <= MOST_RECORD, "the record has grown to {} bytes; {MOST_RECORD} is the most", line.len());
        Ok(line)
    }

    /// Prints the record on stdout: the last thing a stage does.
    ///
    /// # Errors
    /// When stdout is closed or full.
    pub fn print(&self) -> Result<()> {
        stdout::print(&self.to_line()?)
    }
}

fn understand(line: &[u8]) -> Result<Record> {
    ensure!(line.len() <= MOST_RECORD, "the record is longer than {MOST_RECORD} bytes");
    let text = std::str::from_utf8(line).context("the record is not UTF-8")?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    ensure!(!text.contains('\n'), "more than one line on stdin, one record was expected");
    let value: Value = serde_json::from_str(text).context("the record is not JSON")?;
    let Value::Object(mut fields) = value else { bail!("the record is not a JSON object") };

    let version = fields.shift_remove("bg").context("the record has no \"bg\": it is not one of ours")?;
    ensure!(version == 1, "\"bg\" in the record is {}, this program knows 1", quoted(&version.to_string()));
    let slots = match take(&mut fields, "slots")? {
        Value::Object(object) => Slots::from_json(&object).context("\"slots\" in the record")?,
        _ => bail!("\"slots\" in the record is not an object"),
    };
    let slot = slots.named(&text_at(&mut fields, "slot")?).context("\"slot\" in the record")?.clone();
    let port = port_of(&take(&mut fields, "port")?).context("\"port\" in the record")?;
    ensure!(port == slot.port, "\"port\" in the record is {port}, but {} has port {}", slot.name, slot.port);
    let live_slot = match take(&mut fields, "live")? {
        Value::Null => None,
        Value::String(name) => Some(slots.named(&name).context("\"live\" in the record")?.clone()),
        _ => bail!("\"live\" in the record is neither a name nor null"),
    };
    let site = site(&mut fields, slots)?;
    Ok(Record { site, slot, live: live_slot, fields })
}

/// The site that a record is about, less the slots that were read before.
fn site(fields: &mut Map<String, Value>, slots: Slots) -> Result<Site> {
    Ok(Site {
        app: text_at(fields, "app")?.parse().context("\"app\" in the record")?,
        slots,
        address: match fields.shift_remove("slot_url") {
            None => Address::default(),
            Some(Value::String(url)) => url.parse().context("\"slot_url\" in the record")?,
            Some(_) => bail!("\"slot_url\" in the record is not text"),
        },
        front: match take(fields, "front")? {
            Value::Null => FrontSetting::Unset,
            Value::String(url) => url.parse().context("\"front\" in the record")?,
            _ => bail!("\"front\" in the record is neither a URL nor null"),
        },
        front_host: match fields.shift_remove("front_host") {
            None => None,
            Some(Value::String(host)) => Some(http::host(&host).context("\"front_host\" in the record")?),
            Some(_) => bail!("\"front_host\" in the record is not text"),
        },
        dir: Dir::new(path_at(fields, "dir")?),
        upstream_file: path_at(fields, "upstream_file")?,
    })
}

fn take(fields: &mut Map<String, Value>, key: &str) -> Result<Value> {
    fields.shift_remove(key).with_context(|| format!("the record has no {key:?}"))
}

fn text_at(fields: &mut Map<String, Value>, key: &str) -> Result<String> {
    match take(fields, key)? {
        Value::String(text) => Ok(text),
        _ => bail!("{key:?} in the record is not text"),
    }
}

fn path_at(fields: &mut Map<String, Value>, key: &str) -> Result<PathBuf> {
    let text = text_at(fields, key)?;
    ensure!(text.starts_with('/'), "{key:?} in the record is not an absolute path");
    settings::path(&text).with_context(|| format!("{key:?} in the record"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"bg":1,"app":"web","slot":"set2","port":8082,"live":"set1","slots":{"set1":8081,"set2":8082},"dir":"/var/lib/bg/web","front":"http://127.0.0.1/profile","upstream_file":"/etc/nginx/conf.d/service-url.inc","probe":{"by":"front","points_at":"set1"}}"#;

    #[test]
    fn a_record_comes_out_as_it_went_in() {
        let line = LINE.replace("\"probe\"", "\"later\":{\"n\":1234567890123456789012345,\"f\":1.10},\"probe\"") + "\n";
        assert_eq!(Record::parse(line.as_bytes()).unwrap().to_line().unwrap(), line);
    }

    #[test]
    fn the_order_of_the_slots_is_kept() {
        let line = LINE.replace(r#"{"set1":8081,"set2":8082}"#, r#"{"set2":8082,"set1":8081}"#) + "\n";
        let record = Record::parse(line.as_bytes()).unwrap();
        assert_eq!(record.site.slots.first().name.as_str(), "set2");
        assert_eq!(record.to_line().unwrap(), line);
    }

    #[test]
    fn every_wrong_key_is_named() {
        for (from, to, what) in [
            ("\"bg\":1", "\"bg\":2", "bg"),
            ("\"app\":\"web\"", "\"app\":\"we;b\"", "app"),
            ("\"slot\":\"set2\"", "\"slot\":\"set3\"", "slot"),
            ("\"port\":8082", "\"port\":70000", "port"),
            ("\"port\":8082", "\"port\":8081", "port"),
            ("\"port\":8082", "\"port\":\"8082\"", "port"),
            ("\"live\":\"set1\"", "\"live\":7", "live"),
            ("\"slots\":{\"set1\":8081,", "\"slots\":{", "slots"),
            ("\"/var/lib/bg/web\"", "\"var/lib\"", "dir"),
            ("\"/var/lib/bg/web\"", "\"/var\\nlib\"", "dir"),
            ("http://127.0.0.1/profile", "profile", "front"),
            ("\"upstream_file\":", "\"file\":", "upstream_file"),
        ] {
            let line = LINE.replacen(from, to, 1);
            assert_ne!(line, LINE, "{from}");
            let error = Record::parse(line.as_bytes()).unwrap_err();
            assert_eq!(Exit::of(&error), Exit::NoRecord);
            let message = format!("{error:#}");
            assert!(message.contains(what) && !message.contains('\n'), "{message}");
        }
    }
}
