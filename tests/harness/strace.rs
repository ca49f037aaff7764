//! strace(1): what a program asks of the kernel, and a program that is killed, or refused, in the middle of it.

use std::fs;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use crate::programs;

/// How strace is called, and where it writes what it saw.
#[derive(Clone, Debug)]
pub struct Strace {
    log: PathBuf,
    options: Vec<String>,
}

impl Strace {
    /// Writes these calls, as far as this machine's kernel has them, into a log: with the paths of their
    /// descriptors (`-y`) and every string in full and in hex (`-xx`).
    #[must_use]
    pub fn of(calls: &str, log: &Path) -> Self {
        let calls: Vec<String> = calls.split_whitespace().map(|call| format!("?{call}")).collect();
        let options = ["-o", &log.display().to_string(), "-y", "-xx", "-s", "1000000"].map(str::to_owned);
        Self { log: log.to_owned(), options: options.into() }.and(&["-e", &format!("trace={}", calls.join(","))])
    }

    /// Kills the process just before its `n`th such call is done.
    #[must_use]
    pub fn kill_at(self, call: &str, n: usize) -> Self {
        self.and(&["-e", &format!("inject={call}:signal=KILL:when={n}")])
    }

    /// Lets the `n`th such call fail, without being done.
    #[must_use]
    pub fn fail_at(self, call: &str, n: usize, errno: Errno) -> Self {
        self.and(&["-e", &format!("inject={call}:error={errno:?}:when={n}")])
    }

    /// Counts only calls on these paths.
    #[must_use]
    pub fn only_on(self, paths: &[PathBuf]) -> Self {
        paths.iter().fold(self, |strace, path| strace.and(&["-P", &path.display().to_string()]))
    }

    /// Also the processes that the program starts, each with a count of its own.
    #[must_use]
    pub fn with_children(self) -> Self {
        self.and(&["-f"])
    }

    /// The words to put before those of the program.
    #[track_caller]
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let strace = programs::of_the_system("strace").display().to_string();
        [strace].into_iter().chain(self.options.iter().cloned()).collect()
    }

    /// What it saw.
    #[track_caller]
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        fs::read_to_string(&self.log).expect("a log of strace").lines().filter_map(Call::parse).collect()
    }

    /// The call at which it struck; `None` where the program never came that far.
    #[track_caller]
    #[must_use]
    pub fn struck(&self) -> Option<Call> {
        self.calls().into_iter().find(|call| call.result.contains("(INJECTED)") || call.result == "?")
    }

    fn and(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(|&option| option.to_owned()));
        self
    }
}

/// One call in a log.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its name.
    pub name: String,
    /// What it returned, as strace says it; `?` where the process died in it.
    pub result: String,
    /// The texts among its arguments, in their order: strings, and the paths of descriptors.
    pub texts: Vec<Vec<u8>>,
    arguments: String,
}

impl Call {
    /// Its arguments as strace wrote them, made readable.
    #[must_use]
    pub fn arguments(&self) -> String {
        String::from_utf8_lossy(&unhex(&self.arguments)).into_owned()
    }

    /// Whether it did what it was asked to.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        !self.result.starts_with('-') && self.result != "?"
    }

    /// Whether it opens a file.
    #[must_use]
    pub fn opens(&self) -> bool {
        matches!(self.name.as_str(), "open" | "openat" | "creat")
    }

    /// Whether it opens a file to change it.
    #[must_use]
    pub fn opens_to_write(&self) -> bool {
        self.opens() && ["O_WRONLY", "O_RDWR", "O_CREAT"].iter().any(|flag| self.arguments.contains(flag))
    }

    /// The absolute paths among its arguments.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        let texts = self.texts.iter().map(|text| PathBuf::from(String::from_utf8_lossy(text).into_owned()));
        texts.filter(|path| path.is_absolute()).collect()
    }

    fn parse(line: &str) -> Option<Self> {
        // With -f a line begins with the process.
        let line = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
        let (call, result) = line.rsplit_once(" = ")?;
        let (name, arguments) = call.trim_end().strip_suffix(')')?.split_once('(')?;
        let parts: Vec<&str> = arguments.split(['"', '<', '>']).collect();
        // The folder that the process is in plays no part: every path of ours is absolute.
        let texts =
            parts.chunks_exact(2).filter(|pair| !pair[0].ends_with("AT_FDCWD")).map(|pair| unhex(pair[1])).collect();
        Some(Self { name: name.to_owned(), result: result.to_owned(), texts, arguments: arguments.to_owned() })
    }
}

/// Undoes `-xx`.
fn unhex(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split("\\x");
    bytes.extend(parts.next().unwrap_or_default().bytes());
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        bytes.extend(u8::from_str_radix(digits, 16).ok());
        bytes.extend(rest.bytes());
    }
    bytes
}
