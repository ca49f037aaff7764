//! What is to be launched: the artifact, and the program that starts it.

use crate::release::artifact;
use crate::release::executable::ensure_executable;
use crate::release::given::Given;
use crate::release::parts::{self, Parts};
use crate::release::template::Template;
use anyhow::{Context, Result};
use bg_probe::cli::preflight::Finding;
use bg_probe::site::advice::Advice;
use bg_probe::site::dir::Dir;
use bg_probe::site::slot::Slot;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

/// Whether the artifact that is given could be deployed, and started in `slot`. Only where there is time, `asks_java`, java
/// is asked for its version.
pub(crate) fn findings(given: &Given, dir: &Dir, slot: &Slot, asks_java: bool) -> Vec<Finding> {
    let artifact = match given.artifact() {
        Ok(artifact) => artifact,
        Err(why) => return vec![Finding::refused("artifact", &why, "name the one to deploy")],
    };
    // Without one, what is to come is taken for a jar: that is what the default command is for.
    let template = match given.template(Some(artifact.unwrap_or(Path::new("app.jar")))) {
        Ok(template) => template,
        Err(why) => return vec![Finding::refused("command", &why, "fix the command")],
    };
    let whole = artifact.map(|path| match usable(path, dir, &template) {
        Ok(()) => Finding::ok("artifact", format!("{} can be deployed", path.display())),
        Err(why) => {
            let remedy = remedy(&why);
            Finding::refused("artifact", &why.context(path.display().to_string()), remedy)
        }
    });
    let barred = ensure_executable(&template, dir).err();
    let barred = barred.map(|why| Finding::refused("noexec", &why, "choose another --dir"));
    let companion = companion(given, artifact, slot);
    whole.into_iter().chain(barred).chain([command(&template, artifact, slot, asks_java)]).chain(companion).collect()
}

/// What to do about an artifact that can't be deployed.
fn remedy(why: &anyhow::Error) -> &'static str {
    let is_closed = |why: &std::io::Error| why.kind() == ErrorKind::PermissionDenied;
    let closed = why.chain().filter_map(|why| why.downcast_ref::<std::io::Error>()).any(is_closed);
    if closed { "let this user read it (chmod a+r), or copy it again as this user" } else { "build or copy it again" }
}

/// The program of the companion, where the release is to have one.
fn companion(given: &Given, artifact: Option<&Path>, slot: &Slot) -> Option<Finding> {
    let found = given.companion().and_then(|template| {
        let Some(template) = template else { return Ok(None) };
        if artifact.is_none() && template.runs_the_artifact() {
            return Ok(Some("the artifact".to_owned()));
        }
        template.program(artifact, slot).map(Some)
    });
    match found {
        Ok(program) => Some(Finding::ok("companion", format!("the companion's program is {}", program?))),
        Err(why) => Some(Finding::refused("companion", &why.context("BG_LAUNCH_COMPANION"), "correct that command")),
    }
}

/// Both looks that a launch takes: before it copies the file, and at the copy.
fn usable(path: &Path, dir: &Dir, template: &Template) -> Result<()> {
    parts::ensure_apart(path, &dir.releases())?;
    Parts::of(path)?.ensure_readable(path)?;
    artifact::check(path, path, template)
}

/// The program that the command begins with, and of java its version: one that is there may still not run.
fn command(template: &Template, artifact: Option<&Path>, slot: &Slot, asks_java: bool) -> Finding {
    let name = if template.is_java() { "java" } else { "command" };
    if artifact.is_none() && template.runs_the_artifact() {
        return Finding::ok(name, "the command's program is the artifact");
    }
    let program = match template.program(artifact, slot) {
        Ok(program) => program,
        Err(why) if template.is_java() => {
            let install = Advice::install("default-jre-headless", "java-headless");
            return Finding::refused(
                name,
                &why,
                &format!("install it: {install}; or give a COMMAND after -- for what is no jar"),
            );
        }
        Err(why) => return Finding::refused(name, &why, "install it, or name another COMMAND after --"),
    };
    if !(template.is_java() && asks_java) {
        return Finding::ok(name, format!("the command's program is {program}"));
    }
    match java_version(&program) {
        Ok(version) => Finding::ok("java", format!("{version} ({program})")),
        Err(why) => {
            let again = Advice::reinstall("default-jre-headless", "java-headless");
            Finding::refused("java", &why, &format!("install it again: {again}"))
        }
    }
}

/// The line in which java names its version, `openjdk version "17.0.13" 2024-10-15`, on stderr.
fn java_version(java: &str) -> Result<String> {
    let output = Command::new(java).arg("-version").stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("run {java}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    // JAVA_TOOL_OPTIONS makes java print something else first.
    let version = text.lines().find(|line| line.contains(" version "));
    let version = version.filter(|_| output.status.success());
    version.map(str::to_owned).with_context(|| format!("{java} -version says no version ({})", output.status))
}
