//! The command line of `bg-switch`.

use crate::print::Print;
use bg_probe::cli::command_line::Program;
use bg_probe::cli::preflight::Check;
use bg_probe::nginx::upstream::Form;
use bg_probe::say::Voice;
use bg_probe::site::lock::Wait;
use bg_probe::site::settings::Settings;
use bg_probe::site::slot::Name;
use clap::Parser;
use humantime::Duration;
use std::path::PathBuf;

/// Move nginx to a slot and prove it
#[derive(Debug, Parser)]
#[command(name = Args::NAME, version, after_help = AFTER)]
pub(crate) struct Args {
    /// The slot to move to; no record is read then, and no health verdict asked for
    #[arg(long, env = "BG_SWITCH_TO", value_name = "SLOT")]
    pub(crate) to: Option<Name>,
    /// Change the upstream file to the other form, keeping the live slot
    #[arg(long, value_enum, value_name = "FORM", conflicts_with = "to")]
    pub(crate) convert: Option<Form>,
    /// How nginx is called, as a command line: `sudo nginx`, `nginx -c FILE`, `docker exec web nginx`
    #[arg(long, env = "BG_NGINX", default_value = "nginx", value_name = "COMMAND")]
    pub(crate) nginx: String,
    /// How long nginx may take until it is seen to serve the slot
    #[arg(long, env = "BG_SWITCH_VERIFY_TIMEOUT", default_value = "10s", value_name = "DURATION")]
    pub(crate) verify_timeout: Duration,
    /// The file with the process id of nginx [default: as nginx's configuration or nginx -V says]
    #[arg(long, env = "BG_SWITCH_PID_FILE", value_name = "FILE")]
    pub(crate) pid_file: Option<PathBuf>,
    // Under the same heading as the flags above; what follows has one of its own.
    #[command(flatten)]
    pub(crate) wait: Wait,
    #[command(flatten)]
    pub(crate) voice: Voice,
    #[command(flatten)]
    pub(crate) print: Print,
    #[command(flatten)]
    pub(crate) check: Check,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

impl Program for Args {
    const NAME: &'static str = "bg-switch";

    fn shared(&mut self) -> (&mut Settings, &mut Voice) {
        (&mut self.settings, &mut self.voice)
    }
}

const AFTER: &str = "\
Examples:
  bg-probe | bg-launch app.jar | bg-health | bg-switch
  bg-switch --to set1
  bg-switch --to set1 --nginx 'sudo nginx'
  bg-switch --print-upstream >/etc/nginx/conf.d/service-url.inc
  bg-switch --print-site --server-name www.example.com
  bg-switch --convert link

Reload form: in --upstream-file only the address in the line
`set $service_url ...;` is changed; nginx tests its configuration and reads it
again. Link form: the link DIR/live is renamed, which nginx looks up on every
request; there is no reload, and --upstream-file is only read.

The switch is done when nginx's old workers take no more connections, and the
front has answered with the new slot's name 5 times running, each time on a
fresh one. If that does not come, all is put back as it was. An answer that a
rate limit (limit_req) refused says nothing; --front /_bg/slot has no limit.

Exit codes:
  0  done, or already so; both seen at the front, if there is one
  1  the system refused: a permission, a missing program, an upstream file that is not ours to write
  2  usage
  3  no record on stdin, one that is not valid, or one without a health verdict
  5  nginx refused or did not move; it is back on the slot it was on
  6  another deploy holds the lock
  7  --convert, and nobody can tell which slot is live; or the slot, link or folder is another application's";
