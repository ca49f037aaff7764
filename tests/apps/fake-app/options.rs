//! The flags: each one a way to behave, and any may be combined.

use clap::Parser;
use std::net::IpAddr;
use std::path::PathBuf;

/// An application that boots, serves and misbehaves as its flags say.
#[derive(Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is one way to misbehave, and any may be combined")]
pub(crate) struct Options {
    /// Listen here; wins over $PORT
    #[arg(long, env = "PORT", default_value_t = 8080)]
    pub(crate) port: u16,
    /// Listen here instead, as an application does whose properties were not loaded
    #[arg(long, value_name = "PORT")]
    pub(crate) listen_port: Option<u16>,
    /// Listen at this address
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) address: IpAddr,
    /// Answer below this path alone, as an application does that has a context path
    #[arg(long, value_name = "PATH", default_value = "")]
    pub(crate) below: String,
    /// Share the port with whoever else says so (SO_REUSEPORT)
    #[arg(long)]
    pub(crate) reuse_port: bool,
    /// What /profile says
    #[arg(long, alias = "other-profile", env = "BG_SLOT", default_value = "default")]
    pub(crate) profile: String,
    /// What /version says
    #[arg(long, env = "BG_RELEASE", default_value = "unknown")]
    pub(crate) version_text: String,

    /// Listen only after so many milliseconds
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) boot_ms: u64,
    /// Listen at once, and say 503 DOWN for so many milliseconds
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) boot_503_ms: u64,
    /// Print a stack trace and exit 1 instead of listening
    #[arg(long)]
    pub(crate) crash_at_boot: bool,
    /// Print a stack trace and exit 1 after so many milliseconds
    #[arg(long, value_name = "N")]
    pub(crate) crash_after_ms: Option<u64>,
    /// Let a child process serve, and only wait for it
    #[arg(long)]
    pub(crate) fork_server: bool,
    /// Take no notice of TERM
    #[arg(long)]
    pub(crate) ignore_term: bool,

    /// Write the release's name into this file every few milliseconds, while the file $BG_LIVE is there
    #[arg(long, value_name = "FILE")]
    pub(crate) job: Option<PathBuf>,
    /// Write the release's name into this file every few milliseconds, and serve nothing
    #[arg(long, value_name = "FILE")]
    pub(crate) work: Option<PathBuf>,
    /// Write the names of TSTP, USR1 and USR2 into this file when they come, and do nothing else then
    #[arg(long, value_name = "FILE")]
    pub(crate) tell_signals: Option<PathBuf>,

    /// Accept every connection and never answer
    #[arg(long)]
    pub(crate) hang: bool,
    /// Hold every request for so many milliseconds
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) hold_ms: u64,
    /// Answer 500 to everything
    #[arg(long)]
    pub(crate) status_500: bool,
    /// Redirect everything to /login
    #[arg(long)]
    pub(crate) login_redirect: bool,
    /// Answer everything with the login page, 200
    #[arg(long)]
    pub(crate) login_page: bool,

    /// Say DOWN with status 200, over a component that is UP
    #[arg(long)]
    pub(crate) down: bool,
    /// Answer health with 500 after so many milliseconds
    #[arg(long, value_name = "N")]
    pub(crate) bad_after_ms: Option<u64>,
    /// Answer everything with 500 after so many milliseconds
    #[arg(long, value_name = "N")]
    pub(crate) fail_after_ms: Option<u64>,
    /// Answer each Nth page with 500, and health always well
    #[arg(long, value_name = "N")]
    pub(crate) fail_every: Option<usize>,
    /// Hold every page for so many milliseconds, but not health
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) page_ms: u64,
    /// Have the page /assets/NAME.js, which says this version
    #[arg(long, value_name = "NAME")]
    pub(crate) asset: Option<String>,
    /// Answer health with a body that never ends
    #[arg(long)]
    pub(crate) endless: bool,
    /// Have no health page: 404
    #[arg(long)]
    pub(crate) no_health: bool,
    /// Send who comes by http to https, at the same path, unless X-Forwarded-Proto says https
    #[arg(long)]
    pub(crate) only_https: bool,
    /// Answer 400 to every other host name, as Django does
    #[arg(long, value_name = "NAME")]
    pub(crate) only_host: Option<String>,
    /// Answer health at this port instead, as an application does with a port for its management
    #[arg(long, value_name = "PORT")]
    pub(crate) management_port: Option<u16>,
    /// Answer health with exactly this body, 200
    #[arg(long, value_name = "TEXT")]
    pub(crate) status_json: Option<String>,
}
