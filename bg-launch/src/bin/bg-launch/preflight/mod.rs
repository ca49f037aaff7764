//! `bg-launch --check`: could a release be put into the idle slot and started there?

pub(crate) mod ground;
pub(crate) mod memory;

use crate::args::Args;
use crate::occupant::Occupant;
use crate::release::artifact;
use crate::release::template::Template;
use crate::start::agent;
use crate::start::mode::Via;
use anyhow::{Context, Result, ensure};
use bg_probe::cli::preflight::Finding;
use bg_probe::live::front::FRONT_WITHIN;
use bg_probe::live::verdict::live;
use bg_probe::live::witnesses::By;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;
use std::path::Path;
use std::process::{Command, Stdio};

/// Everything that bg-launch has to look at.
pub(crate) fn findings(args: &Args, site: &Site) -> Vec<Finding> {
    let mut findings = artifact_and_command(args);
    findings.extend(ground::findings(site, artifact::choose(&args.artifact).ok().flatten()));
    findings.extend(agent(args));
    match live(site, By::Both, FRONT_WITHIN) {
        Ok(verdict) => {
            let idle = verdict.idle(site);
            let live = verdict.live.as_ref();
            findings.push(port(site, idle, args.adopt));
            findings.extend(live.and_then(|live| room(site, live, idle)));
        }
        Err(_) => findings.push(Finding::fail(
            "port",
            "the idle slot's port and the memory were not looked at, for it can't be told which slot is idle",
            "see what bg-probe --check says",
        )),
    }
    findings
}

/// Whether a release would end with whoever deploys it; `None` where it would not.
fn agent(args: &Args) -> Option<Finding> {
    let (what, remedy) = if args.via == Some(Via::Systemd) { None } else { agent::warning() }?;
    Some(Finding::warn("agent", what, remedy))
}

fn artifact_and_command(args: &Args) -> Vec<Finding> {
    let artifact = match artifact::choose(&args.artifact) {
        Ok(artifact) => artifact,
        Err(why) => return vec![Finding::refused("artifact", &why, "name the one to deploy")],
    };
    // Without one, what is to come is taken for a jar: that is what the default command is for.
    let template = match Template::new(&args.command, Some(artifact.unwrap_or(Path::new("app.jar")))) {
        Ok(template) => template,
        Err(why) => return vec![Finding::refused("command", &why, "mend the command")],
    };
    let artifact = artifact.map(|path| match usable(path, &template) {
        Ok(()) => Finding::ok("artifact", format!("{} can be deployed", path.display())),
        Err(why) => Finding::refused("artifact", &why.context(path.display().to_string()), "build or copy it again"),
    });
    artifact.into_iter().chain([command(&template)]).collect()
}

fn usable(path: &Path, template: &Template) -> Result<()> {
    ensure!(std::fs::metadata(path).context("look at")?.is_file(), "not a file");
    std::fs::File::open(path).context("open")?;
    artifact::check(path, template)
}

/// The program that the command begins with, and of java its version: one that is there may still not run.
fn command(template: &Template) -> Finding {
    let name = if template.is_java() { "java" } else { "command" };
    let program = match template.program() {
        Ok(program) => program,
        Err(why) if template.is_java() => {
            let remedy = "apt install default-jre-headless, or say after -- how to start what is no jar";
            return Finding::refused(name, &why, remedy);
        }
        Err(why) => return Finding::refused(name, &why, "install it, or name another COMMAND after --"),
    };
    if !template.is_java() {
        return Finding::ok(name, format!("the command's program is {}", program.display()));
    }
    match java_version(&program) {
        Ok(version) => Finding::ok("java", format!("{version} ({})", program.display())),
        Err(why) => Finding::refused("java", &why, "install it again: apt install --reinstall default-jre-headless"),
    }
}

/// The line in which java says its version, `openjdk version "17.0.13" 2024-10-15`, on stderr.
fn java_version(java: &Path) -> Result<String> {
    let said = Command::new(java).arg("-version").stdin(Stdio::null()).output();
    let said = said.with_context(|| format!("run {}", java.display()))?;
    let text = String::from_utf8_lossy(&said.stderr);
    // JAVA_TOOL_OPTIONS makes java say something else first.
    let version = text.lines().find(|line| line.contains(" version "));
    let version = version.filter(|_| said.status.success());
    version.map(str::to_owned).with_context(|| format!("{} -version says no version ({})", java.display(), said.status))
}

fn port(site: &Site, idle: &Slot, adopt: bool) -> Finding {
    let Slot { name, port } = idle;
    match Occupant::of(site, idle, adopt) {
        Err(why) => Finding::refused("port", &why, "mend that, or run this as the user to whom --dir belongs"),
        Ok(occupant) if occupant.is_empty() => Finding::ok("port", format!("port {port} of the idle {name} is free")),
        Ok(_) => Finding::ok("port", format!("port {port} of the idle {name} is held by what a deploy would replace")),
    }
}

/// Whether there is room for one more of what serves; `None` where nobody can say.
fn room(site: &Site, live: &Slot, idle: &Slot) -> Option<Finding> {
    let used = memory::used_in(site, live).filter(|used| *used > 0)?;
    // What is in the idle slot is stopped before anything is started.
    let free = memory::available()? + memory::used_in(site, idle)?;
    Some(enough(used * 1024, free * 1024))
}

fn enough(used: u64, free: u64) -> Finding {
    let seen = format!("{} of memory for a new release beside the live one, which uses {}", mb(free), mb(used));
    if free >= used {
        return Finding::ok("memory", seen);
    }
    Finding::warn("memory", seen, "add memory or swap, or let it take less (JAVA_OPTS=-Xmx...)")
}

/// Bytes as people say them.
pub(crate) fn mb(bytes: u64) -> String {
    format!("{} MB", bytes / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bg_probe::cli::preflight::State;

    #[test]
    fn two_releases_have_to_fit() {
        assert_eq!(enough(600_000_000, 600_000_000).state, State::Ok);
        let small = enough(600_000_000, 300_000_000);
        assert_eq!(small.state, State::Warn);
        assert_eq!(small.detail, "300 MB of memory for a new release beside the live one, which uses 600 MB");
    }
}
