//! The command line of `bg-switch`.

use crate::drain::{Drain, Patience};
use crate::extras::Extras;
use crate::linger::Linger;
use crate::means::Means;
use crate::nginx::Nginx;
use crate::order::Order;
use crate::preview::Preview;
use crate::print::{NAMELESS, Server};
use crate::quiet::Quiet;
use crate::setup::wanted::{Setup, What};
use crate::target::Target;
use anyhow::{Context, Result};
use bg_probe::cli::command_line::{Program, splittable};
use bg_probe::cli::preflight::Check;
use bg_probe::nginx::upstream::{Form, site_of};
use bg_probe::os::span::Span;
use bg_probe::say::Voice;
use bg_probe::say::exit::{Exit, OrExit};
use bg_probe::site::lock::Wait;
use bg_probe::site::settings::{Settings, Site};
use bg_probe::site::slot::{Name, Slot};
use bg_probe::site::visitor::NUMBERS;
use clap::Parser;
use std::ffi::OsString;
use std::path::PathBuf;

/// Move nginx to a slot and prove it
#[derive(Debug, Parser)]
#[command(name = Args::NAME, version, after_help = AFTER)]
pub(crate) struct Args {
    /// Move to this slot, without a record or a health verdict
    #[arg(long, env = "BG_SWITCH_TO", value_name = "SLOT")]
    to: Option<Name>,
    /// Move only N visitors of a hundred to the slot, as the record or --to names it; 0 takes a share back [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..100))]
    share: Option<u8>,
    /// After a whole switch, have those stay where they were who were there, this long at most; 0 moves them now
    #[arg(long, value_name = "DURATION", conflicts_with_all = ["share", "convert"])]
    linger: Option<Span>,
    /// And no longer than until none of them has come for this long
    #[arg(long, env = "BG_SWITCH_LINGER_IDLE", default_value = "5m", value_name = "DURATION")]
    linger_idle: Span,
    /// Be the process that moves them in the end
    #[arg(long, hide = true, requires = "linger")]
    attend: bool,
    /// Make a pass to the slot that is not live, or to that of --to, and print its cookie and URL; or take all passes back
    #[arg(long, value_enum, value_name = "WHAT", conflicts_with_all = ["share", "convert", "linger"])]
    preview: Option<Preview>,
    /// Change the upstream file to the other form, keeping the live slot
    #[arg(long, value_enum, value_name = "FORM", conflicts_with_all = ["to", "share"])]
    convert: Option<Form>,
    /// Answer all visitors with 503 and the page in this file, or a built-in one, until --open
    #[arg(long, value_name = "PAGE", num_args = 0..=1, default_missing_value = "", conflicts_with_all = ["to", "share", "convert", "preview", "open"])]
    close: Option<OsString>,
    /// Answer visitors again
    #[arg(long, conflicts_with_all = ["to", "share", "convert", "preview"])]
    open: bool,
    /// Take this host out of a load balancer that asks /_bg/ready and wait until nobody is connected; or bring it back
    #[arg(long, value_enum, value_name = "WHAT", conflicts_with_all = ["to", "share", "convert", "preview", "close", "open", "linger"])]
    drain: Option<Drain>,
    /// Wait this long at most
    #[arg(long, env = "BG_SWITCH_DRAIN_TIMEOUT", default_value = "5m", value_name = "DURATION")]
    drain_timeout: Span,
    /// And until nobody from outside has been connected for this long: longer than the balancer takes to notice
    #[arg(long, env = "BG_SWITCH_DRAIN_IDLE", default_value = "10s", value_name = "DURATION")]
    drain_idle: Span,
    /// Call nginx by this command line: `sudo nginx`, `nginx -c FILE`, `docker exec web nginx`
    #[arg(long, env = "BG_NGINX", default_value = "nginx", value_name = "COMMAND", value_parser = splittable)]
    nginx: String,
    /// Allow nginx this long until it is seen to serve the slot
    #[arg(long, env = "BG_SWITCH_VERIFY_TIMEOUT", default_value = "10s", value_name = "DURATION")]
    verify_timeout: Span,
    /// Find the process id of nginx in this file [default: as in nginx's configuration or nginx -V]
    #[arg(long, env = "BG_SWITCH_PID_FILE", value_name = "FILE")]
    pid_file: Option<PathBuf>,
    #[command(flatten)]
    quiet: Quiet,
    // Under the same heading as the flags above; what follows has one of its own.
    #[command(flatten)]
    wait: Wait,
    #[command(flatten)]
    voice: Voice,
    #[command(flatten)]
    setup: SetUp,
    #[command(flatten)]
    print: Print,
    #[command(flatten)]
    check: Check,
    #[command(flatten)]
    settings: Settings,
}

/// Choices about a setup.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "A new application on this server")]
struct SetUp {
    /// Make settings file, folder, upstream file and site, and have nginx read them; what is there already stays [default of
    /// FILE: /etc/bg/APP.env]
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "", conflicts_with_all = ["to", "share", "convert", "preview", "close", "open", "linger", "site", "upstream", "check"])]
    setup: Option<OsString>,
    /// Print what --setup would do as shell, and do nothing
    #[arg(long, requires = "setup", conflicts_with = "undo")]
    dry_run: bool,
    /// Take back what --setup has made, as far as it is as it was written
    #[arg(long, requires = "setup")]
    undo: bool,
    /// Give the folder to this user, who will deploy [default: whoever has called, also by sudo]
    #[arg(long, requires = "setup", value_name = "USER")]
    owner: Option<String>,
}

/// Choices about the printed configuration.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "The nginx configuration to install")]
struct Print {
    /// Print the server block for this application
    #[arg(long = "print-site", conflicts_with_all = ["to", "share", "upstream", "convert", "preview", "close", "open", "linger", "drain"])]
    site: bool,
    /// Print the upstream file for this application
    #[arg(long = "print-upstream", conflicts_with_all = ["to", "share", "convert", "preview", "close", "open", "linger", "drain"])]
    upstream: bool,
    /// Give the upstream file this form
    #[arg(long, env = "BG_SWITCH_FORM", value_enum, default_value = "link")]
    form: Form,
    /// Have the server listen on this
    #[arg(long, env = "BG_SWITCH_LISTEN", default_value = "80", value_name = "ADDRESS")]
    listen: String,
    /// Let these ask /_bg/slot as well as this machine: addresses or networks, with commas
    #[arg(long, env = "BG_SWITCH_FRONT_FROM", value_name = "ADDRESS", value_delimiter = ',')]
    front_from: Vec<String>,
    /// Let these ask /_bg/ready as well as this machine, as a load balancer does: addresses or networks, with commas
    #[arg(long, env = "BG_SWITCH_READY_FROM", value_name = "ADDRESS", value_delimiter = ',')]
    ready_from: Vec<String>,
    /// Give the server this name
    #[arg(long, env = "BG_SWITCH_SERVER_NAME", default_value = NAMELESS, value_name = "NAME")]
    server_name: String,
    /// Give the site these extras, with commas: sticky (visitors get cookies and may stay with a release), preview, watch
    /// (bg-health --watch sees what visitors are answered), assets=/assets/,/static/ (what one slot answers there with 404
    /// is asked of the other)
    #[arg(long, env = "BG_SWITCH_WITH", default_value = "", hide_default_value = true, value_name = "NAMES")]
    with: Extras,
}

impl Print {
    fn server(self) -> Server {
        let Print { listen, front_from, ready_from, server_name: name, with: extras, .. } = self;
        Server { listen, front_from, ready_from, name, extras }
    }
}

impl Args {
    /// The order that the command line gives, and the means for it.
    ///
    /// # Errors
    /// [`Exit::Usage`] for settings that make no sense, a slot that is neither of the two, and a command line of nginx
    /// that can't be split.
    pub(crate) fn order(self) -> Result<(Order, Means)> {
        let nginx = Nginx::new(&self.nginx, self.pid_file)?;
        let nginx = if self.check.of_record { nginx.in_brief() } else { nginx };
        let means =
            Means { nginx, within: *self.verify_timeout, quiet: self.quiet, wait: self.wait, voice: self.voice };
        let site = || site_of(&self.settings);
        let share = self.share.unwrap_or(NUMBERS);
        let linger = self.linger.map(|within| Linger { within: *within, unless_idle: *self.linger_idle });
        let print = self.print;
        let order = if self.check.of_record {
            let wanted = Extras { sticky: linger.is_some(), preview: self.preview.is_some(), ..Extras::default() };
            Order::Foresee(self.settings, wanted, self.share.is_some())
        } else if self.check.check {
            Order::Preflight { site: site()?, shares: self.share.is_some(), as_json: self.check.json }
        } else if let Some(file) = self.setup.setup {
            let SetUp { dry_run, undo, owner, .. } = self.setup;
            let what = if undo {
                What::Undo
            } else if dry_run {
                What::Show
            } else {
                What::Make
            };
            let file = Some(file).filter(|file| !file.is_empty()).map(std::path::absolute).transpose()?;
            Order::SetUp(self.settings, print.server(), Setup { what, file, owner, nginx: self.nginx })
        } else if print.site {
            Order::PrintSite(site()?, print.server())
        } else if print.upstream {
            Order::PrintUpstream(site()?, print.form)
        } else if let Some(page) = self.close {
            Order::Close(site()?, Some(page).filter(|page| !page.is_empty()).map(PathBuf::from))
        } else if self.open {
            Order::Open(site()?)
        } else if self.drain == Some(Drain::On) {
            Order::Drain(site()?, Patience { within: *self.drain_timeout, idle: *self.drain_idle })
        } else if self.drain == Some(Drain::Off) {
            Order::BringBack(site()?)
        } else if let Some(form) = self.convert {
            Order::Convert(site()?, form)
        } else if let Some(wanted) = self.preview {
            let site = site()?;
            let slot = self.to.as_ref().map(|to| slot_of(&site, to)).transpose()?;
            Order::Preview(site, slot, wanted)
        } else if let Some(linger) = linger.filter(|_| self.attend) {
            Order::Attend(self.settings, linger)
        } else if linger.is_some_and(|linger| linger.within.is_zero()) {
            Order::EndLinger(site()?)
        } else if self.share == Some(0) {
            let site = site()?;
            let slot = self.to.as_ref().map(|to| slot_of(&site, to)).transpose()?;
            Order::TakeBack(site, slot)
        } else if let Some(to) = &self.to {
            let site = site()?;
            let slot = slot_of(&site, to)?;
            Order::Switch(Target::Named(site, slot), share, linger)
        } else {
            Order::Switch(Target::OfRecord(self.settings), share, linger)
        };
        Ok((order, means))
    }
}

fn slot_of(site: &Site, to: &Name) -> Result<Slot> {
    site.slots.named(to.as_str()).context("--to").or_exit(Exit::Usage).cloned()
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
  bg-probe | bg-launch app.jar | bg-health | bg-switch --share 10 |
      bg-health --watch 1m | bg-switch || { bg-switch --share 0; false; }
  bg-switch --print-upstream >/etc/nginx/conf.d/service-url.inc
  bg-switch --print-site --server-name www.example.com
  bg-switch --convert link
  bg-switch --close maintenance.html
  bg-switch --open
  bg-switch --drain on && sudo reboot

Reload form: in --upstream-file only the address in the line
`set $service_url ...;` is changed; nginx tests its configuration and reads it
again. Link form: the link DIR/live is renamed, which nginx looks up on every
request; there is no reload, and --upstream-file is only read.

The switch is done when nginx's old workers take no more connections, and the
front has answered with the new slot's name 5 times running, each time on a
fresh one. If that does not come, all is put back as it was. A share is seen by asking as
visitors of both slots; who is whom stays so as a share grows. An answer that a
rate limit (limit_req) refused proves nothing; --front /_bg/slot has no limit.

Exit codes:
  0  done, or already so; both seen at the front, if there is one
  1  the system refused: a permission, a missing program, an upstream file that is not ours to write
  2  usage
  3  no record on stdin, one that is not valid, or one without a health verdict
  5  nginx refused or did not move; it is back on the slot it was on. Of a share that is taken back: nginx was not seen to
     follow, and the link leads everybody to the slot that they came from
  6  another deploy holds the lock
  7  the record is no longer true; --share of a slot that has all visitors; --convert while the live slot is not known or
     both serve; or the slot, link or folder is another application's";
