//! How a release is started: a command with places for the slot, the port, the artifact and the release.
//!
//! It is kept with the release, so that the release can be started again, in either slot, as it was meant to be.

use crate::release::advice::typed_with;
use anyhow::{Context, Result, anyhow, bail};
use bg_launch::jar::{is_java, runnable_in};
use bg_probe::cli::command_line::splittable;
use bg_probe::say::exit::{Exit, OrExit};
use bg_probe::site::blanks::mistyped;
use bg_probe::site::slot::Slot;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The words of a command, in which `{slot} {port} {artifact} {release}` are filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Template(Vec<String>);

/// What is filled in.
pub(crate) struct Blanks<'a> {
    pub(crate) slot: &'a Slot,
    pub(crate) release: &'a str,
    pub(crate) artifact: Option<&'a Path>,
    /// Where the program is looked for.
    pub(crate) path: Option<OsString>,
}

/// What tells a Spring application which slot it is in.
const PROFILE: &str = "-Dspring.profiles.active={slot}";

impl Template {
    /// The command given after `--`, else that of `BG_LAUNCH_COMMAND`, else `java $JAVA_OPTS … -jar` for a jar, or
    /// for the one jar in a folder that can be run.
    ///
    /// # Errors
    /// [`Exit::Usage`] when there is none, or a variable has an unclosed quote; else when `JAVA_HOME` has no java, or the
    /// program is given relative to the current folder and that is unknown.
    pub(crate) fn new(command: &[String], artifact: Option<&Path>) -> Result<Template> {
        if !command.is_empty() {
            return Template::from_here(command.to_vec());
        }
        let words = words_of("BG_LAUNCH_COMMAND")?;
        if !words.is_empty() {
            return Template::from_here(words);
        }
        match artifact {
            Some(folder) if folder.is_dir() => Template::of_folder(folder),
            Some(jar) if is_java(jar) => Template::of_java("{artifact}"),
            Some(other) => {
                let typed = typed_with(other, other);
                let remedy = format!("add a COMMAND to say how to start it: {typed} -- {{artifact}}");
                Err(Exit::Usage.refuse(format!("{} is not a .jar", other.display()), remedy))
            }
            None => Err(Exit::Usage.refuse("nothing to launch", "name a jar, or a command after --")),
        }
    }

    /// The command of the companion, that of `BG_LAUNCH_COMPANION`; `None` where that is not set.
    ///
    /// # Errors
    /// Those of [`Template::of_line`].
    pub(crate) fn of_companion() -> Result<Option<Template>> {
        let words = words_of("BG_LAUNCH_COMPANION")?;
        if words.is_empty() { Ok(None) } else { Template::from_here(words).map(Some) }
    }

    /// A command in one line, split into words as a shell does it.
    ///
    /// # Errors
    /// [`Exit::Usage`] when it has an unclosed quote; else those of a command that is typed.
    pub(crate) fn of_line(text: &str) -> Result<Template> {
        Template::from_here(shell_words::split(text).or_exit(Exit::Usage)?)
    }

    /// The command that starts a jar.
    fn of_java(jar: &str) -> Result<Template> {
        let start = [PROFILE, "-jar", jar].map(str::to_owned).to_vec();
        Ok(Template([vec![java()?], words_of("JAVA_OPTS")?, start].concat()))
    }

    /// The command that starts the one jar in a folder that can be run.
    fn of_folder(folder: &Path) -> Result<Template> {
        if let [jar] = runnable_in(folder).as_slice() {
            return Template::of_java(&format!("{{artifact}}/{jar}"));
        }
        let typed = typed_with(folder, folder);
        let remedy = format!("say how to start it: {typed} -- COMMAND, in which {{artifact}} is the folder");
        Err(Exit::Usage.refuse(format!("{} is a folder", folder.display()), remedy))
    }

    /// Whether nobody has said how to start the jar.
    pub(crate) fn is_default(&self) -> bool {
        self.0.ends_with(&[PROFILE, "-jar", "{artifact}"].map(str::to_owned))
    }

    /// A command as typed in this folder: `./run` is to be found from any other too, by cron or a rollback. A place that is
    /// spelled wrong is found here, and not by the release that would get it as text.
    fn from_here(mut words: Vec<String>) -> Result<Template> {
        if let Some((word, name)) = words.iter().find_map(|word| mistyped(word)) {
            let what = format!("{{{word}}} stands in the command, and is not filled in. Nothing was touched");
            return Err(Exit::Usage.refuse(what, format!("write {{{name}}}, which is")));
        }
        let program = words.first_mut().filter(|word| word.contains('/') && !word.starts_with(['/', '{']));
        if let Some(program) = program {
            let found = std::path::absolute(&*program).context("the current folder")?;
            found.to_str().context("the current folder's path is not UTF-8")?.clone_into(program);
        }
        Ok(Template(words))
    }

    /// Whether the artifact's own manifest must name what to start, as with `java -jar`.
    pub(crate) fn needs_main_class(&self) -> bool {
        self.0.windows(2).any(|pair| pair == ["-jar", "{artifact}"])
    }

    /// The jar in the artifact, a folder, that `java -jar` is to start, by its path in there.
    pub(crate) fn jar_inside(&self) -> Option<&str> {
        let pair = self.0.windows(2).find(|pair| pair[0] == "-jar")?;
        pair[1].strip_prefix("{artifact}/").filter(|inside| !inside.contains('{'))
    }

    /// Whether the program that the command begins with is the artifact, or is found by its path.
    pub(crate) fn runs_the_artifact(&self) -> bool {
        self.0.first().is_some_and(|program| program.contains("{artifact}"))
    }

    /// Whether it is java that runs it.
    pub(crate) fn is_java(&self) -> bool {
        self.0.first().is_some_and(|program| Path::new(program).ends_with("java"))
    }

    /// The program as a launch finds it, in the command that is filled in. The release has no name yet, and no copy.
    ///
    /// # Errors
    /// Those of [`Template::fill`].
    pub(crate) fn program(&self, artifact: Option<&Path>, slot: &Slot) -> Result<String> {
        let artifact = std::path::absolute(artifact.unwrap_or(Path::new("app.jar"))).context("the current folder")?;
        let path = std::env::var_os("PATH");
        let words = self.fill(&Blanks { slot, release: "RELEASE", artifact: Some(&artifact), path })?;
        words.into_iter().next().context("the command is empty")
    }

    /// The command, its program found on PATH and made absolute, everything filled in.
    ///
    /// # Errors
    /// When the program is not there, or `{artifact}` stands in it and there is none.
    pub(crate) fn fill(&self, blanks: &Blanks) -> Result<Vec<String>> {
        let mut words = self.0.iter().map(|word| fill(word, blanks)).collect::<Result<Vec<_>>>()?;
        let program = words.first_mut().context("the command is empty")?;
        found(program, blanks.path.as_ref())?.to_str().context("the program's path is not UTF-8")?.clone_into(program);
        Ok(words)
    }
}

/// The java that starts a jar: that of `JAVA_HOME`, by its path, for a rollback or cron may have another one or none; else the
/// one on PATH.
///
/// # Errors
/// When `JAVA_HOME` has none.
fn java() -> Result<String> {
    let Some(home) = std::env::var_os("JAVA_HOME").filter(|home| !home.is_empty()) else {
        return Ok("java".to_owned());
    };
    let java = std::path::absolute(Path::new(&home).join("bin/java")).context("the current folder")?;
    if which::which(&java).is_err() {
        let what = format!("JAVA_HOME is {}, which has no bin/java that may be executed", Path::new(&home).display());
        let remedy = "set it to the folder of a JDK or JRE, or unset it to have the java on PATH";
        return Err(Exit::Refused.refuse(what, remedy));
    }
    java.to_str().map(str::to_owned).context("the path of java in JAVA_HOME is not UTF-8")
}

fn found(program: &str, path: Option<&OsString>) -> Result<PathBuf> {
    which::which_in(program, path, "/").map_err(|_| {
        if program.contains('/') {
            anyhow!("{program} is not there, or may not be executed: chmod +x it, or name an interpreter before it")
        } else {
            anyhow!("{program} is not on this machine's PATH")
        }
    })
}

fn fill(word: &str, blanks: &Blanks) -> Result<String> {
    let filled = blanks.slot.filled_in(word).replace("{release}", blanks.release);
    if !filled.contains("{artifact}") {
        return Ok(filled);
    }
    // Last, for a path may contain anything, these words too.
    let Some(artifact) = blanks.artifact else {
        let what = "{artifact} stands in the command, but no artifact was given";
        return Err(Exit::Usage.refuse(what, "give the file to deploy before the --"));
    };
    Ok(filled.replace("{artifact}", artifact.to_str().context("the artifact's path is not UTF-8")?))
}

/// The command line of a hook: it can be split into words, and no place in it is spelled wrong.
///
/// # Errors
/// When it can't, or one is.
pub(crate) fn line(text: &str) -> Result<String> {
    if let Some((word, name)) = mistyped(text) {
        bail!("{{{word}}} is not filled in; {{{name}}} is");
    }
    splittable(text)
}

fn words_of(variable: &str) -> Result<Vec<String>> {
    let Some(text) = std::env::var_os(variable) else { return Ok(Vec::new()) };
    let words = text.to_str().context("not UTF-8").and_then(|text| Ok(shell_words::split(text)?));
    words.context(variable.to_owned()).or_exit(Exit::Usage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bg_probe::site::slot::Slots;

    fn slots() -> Slots {
        "set1=8081,set2=8082".parse().unwrap()
    }

    fn words(line: &str) -> Template {
        Template(line.split(' ').map(str::to_owned).collect())
    }

    #[test]
    fn everything_is_filled_in_and_the_program_found() {
        let path = Path::new("/r/{port}.jar");
        let slots = slots();
        let blanks = Blanks { slot: slots.first(), release: "R", artifact: Some(path), path: std::env::var_os("PATH") };
        let filled = words("sh {slot}:{port} x={artifact} {release} {other}").fill(&blanks).unwrap();
        assert!(filled[0].starts_with('/') && filled[0].ends_with("/sh"));
        assert_eq!(filled[1..], ["set1:8081", "x=/r/{port}.jar", "R", "{other}"]);
    }

    #[test]
    fn a_program_given_relative_to_this_folder_is_found_from_anywhere() {
        let program = |word: &str| Template::new(&[word.to_owned()], None).unwrap().0.remove(0);
        for found in ["java", "/x/../run", "{artifact}", "{artifact}/bin/run"] {
            assert_eq!(program(found), found);
        }
        let here = std::env::current_dir().unwrap();
        assert_eq!(Path::new(&program("./{slot}/run")), here.join("{slot}/run"));
    }

    #[test]
    fn fill_refuses_a_missing_artifact_or_program() {
        let slots = slots();
        let blanks = Blanks { slot: slots.first(), release: "R", artifact: None, path: std::env::var_os("PATH") };
        assert_eq!(Exit::of(&words("sh {artifact}").fill(&blanks).unwrap_err()), Exit::Usage);
        let missing = format!("{:#}", words("no-such-program-here").fill(&blanks).unwrap_err());
        assert!(missing.starts_with("no-such-program-here is not on this machine's PATH"), "{missing}");
    }

    #[test]
    fn a_jar_is_started_by_java_and_nothing_else_is() {
        assert!(Template::new(&[], Some(Path::new("a.jar"))).unwrap().needs_main_class());
        assert!(!Template::new(&["java".into()], Some(Path::new("a.jar"))).unwrap().needs_main_class());
        assert!(words("java -Xmx1g -jar {artifact}").needs_main_class());
        assert_eq!(Exit::of(&Template::new(&[], Some(Path::new("a.bin"))).unwrap_err()), Exit::Usage);
        assert_eq!(Exit::of(&Template::new(&[], None).unwrap_err()), Exit::Usage);
    }
}
