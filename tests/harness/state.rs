//! What the programs keep in a [`World`]'s `BG_DIR`: the history, the releases, and the process of each slot.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::World;

impl World {
    /// The file of the history.
    #[must_use]
    pub fn history_file(&self) -> PathBuf {
        self.dir().join("deploys.jsonl")
    }

    /// The records of the history, the oldest first; the file has nothing else in it.
    #[track_caller]
    #[must_use]
    pub fn history(&self) -> Vec<Value> {
        let text = self.read(self.history_file());
        assert!(text.is_empty() || text.ends_with('\n'), "{text}");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// The process that has signed the lock last.
    #[must_use]
    pub fn holder(&self) -> Option<u32> {
        let signed: Value = serde_json::from_str(&fs::read_to_string(self.dir().join("lock")).ok()?).ok()?;
        signed["pid"].as_u64()?.try_into().ok()
    }

    /// The file that says what runs in a slot.
    #[must_use]
    pub fn process_file(&self, slot: &str) -> PathBuf {
        self.dir().join(format!("slots/{slot}/process.json"))
    }

    /// What is written down of the process in a slot.
    #[track_caller]
    #[must_use]
    pub fn process(&self, slot: &str) -> Value {
        serde_json::from_str(&self.read(self.process_file(slot))).expect("JSON")
    }

    /// Its pid.
    #[track_caller]
    #[must_use]
    pub fn pid(&self, slot: &str) -> u32 {
        self.process(slot)["pid"].as_u64().and_then(|pid| pid.try_into().ok()).expect("a pid")
    }

    /// Whether something was launched in a slot.
    #[must_use]
    pub fn is_launched(&self, slot: &str) -> bool {
        self.process_file(slot).exists()
    }

    /// The release that a slot holds.
    #[must_use]
    pub fn held(&self, slot: &str) -> Option<String> {
        let target = fs::read_link(self.dir().join(format!("slots/{slot}/current"))).ok()?;
        Some(target.file_name()?.to_string_lossy().into_owned())
    }

    /// The names in the folder of releases, in order.
    #[must_use]
    pub fn releases(&self) -> Vec<String> {
        self.names(self.dir().join("releases"))
    }

    /// Whether a switch was not finished.
    #[must_use]
    pub fn is_half_switched(&self) -> bool {
        self.dir().join("switching.json").exists()
    }
}
