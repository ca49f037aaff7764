//! What is deployed: which of the given files it is, and whether it is whole.

use crate::release::advice::typed_with;
use crate::release::template::Template;
use anyhow::{Context, Result};
use bg_launch::jar::{Manifest, is_java, runnable_in};
use bg_probe::say;
use bg_probe::say::exit::Exit;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// What Gradle and Maven put beside the jar that can be run.
const BY_PRODUCTS: [&str; 3] = ["-plain", "-sources", "-javadoc"];

/// The one file to deploy among those given, as by a shell's `build/libs/*.jar`; `None` where none was given.
///
/// # Errors
/// [`Exit::Usage`] when more than one is left after the by-products are passed over.
pub(crate) fn choose(given: &[PathBuf]) -> Result<Option<&Path>> {
    match given {
        [] => Ok(None),
        [only] => Ok(Some(only)),
        several => {
            let left: Vec<&PathBuf> = several.iter().filter(|path| !is_by_product(path)).collect();
            match left.as_slice() {
                [one] => Ok(Some(one)),
                left => {
                    let (given, left) = (several.len(), left.len());
                    let what = format!("{given} artifacts given, {left} left without -plain, -sources and -javadoc");
                    Err(Exit::Usage.refuse(what, "name the one to deploy"))
                }
            }
        }
    }
}

fn is_by_product(path: &Path) -> bool {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    is_java(path) && BY_PRODUCTS.iter().any(|end| stem.ends_with(end))
}

/// Checks a copy: a jar is a whole zip, and, where java starts it, has a class to start and all that it needs. `source` is what
/// was copied. Any other file passes.
///
/// # Errors
/// When it is not; nothing that runs has been touched then.
pub(crate) fn check(copy: &Path, source: &Path, template: &Template) -> Result<()> {
    if copy.is_dir() {
        return check_folder(copy, source, template);
    }
    if !is_java(copy) {
        return Ok(());
    }
    let manifest = manifest_of(copy)?;
    if template.needs_main_class() && !manifest.has_main_class {
        let what = "no Main-Class in its manifest: java -jar can't start it";
        return Err(Exit::Refused.refuse(what, "deploy the runnable jar, not the -plain one"));
    }
    if template.is_java() { ensure_alone(source, &manifest, template) } else { Ok(()) }
}

/// Checks the jar in a folder that `java -jar` is to start.
fn check_folder(copy: &Path, source: &Path, template: &Template) -> Result<()> {
    let name = |path: &Path| path.to_string_lossy().into_owned();
    if template.needs_main_class() {
        let what = "{artifact} is a folder here, and no jar for java -jar";
        return Err(Exit::Usage.refuse(what, "name the jar in it: java -jar {artifact}/app.jar"));
    }
    let Some(inside) = template.jar_inside() else { return Ok(()) };
    let jar = copy.join(inside);
    if !jar.is_file() {
        let what = format!("there is no {inside} in it, which the command starts");
        let remedy = format!("name a jar that is there: {}", shell_words::join(["ls", &name(source)]));
        return Err(Exit::Refused.refuse(what, remedy));
    }
    if manifest_of(&jar).with_context(|| inside.to_owned())?.has_main_class {
        return Ok(());
    }
    let what = format!("{inside} has no Main-Class in its manifest: java -jar can't start it");
    Err(Exit::Refused.refuse(what, "name the runnable jar"))
}

fn manifest_of(jar: &Path) -> Result<Manifest> {
    Manifest::of(BufReader::new(File::open(jar).context("open")?))
}

/// Refuses a jar of which other files beside it are a part: they would stay behind. A `Class-Path` of which nothing is there,
/// as many a build leaves it in a jar that has it all inside, is none.
fn ensure_alone(source: &Path, manifest: &Manifest, template: &Template) -> Result<()> {
    let folder = source.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let there: Vec<&PathBuf> = manifest.beside.iter().filter(|path| folder.join(path).exists()).collect();
    let Some(first) = there.first() else { return Ok(()) };
    let more = if there.len() == 1 { String::new() } else { format!(" and {} more", there.len() - 1) };
    let what = format!(
        "the Class-Path in its manifest names {}{more} beside it, which would stay behind",
        say::quoted(&first.to_string_lossy())
    );
    let name = source.file_name().unwrap_or_default().to_string_lossy();
    let mut command = typed_with(source, folder);
    if !template.is_default() || runnable_in(folder) != [name.clone()] {
        command = format!("{command} -- java -jar {{artifact}}/{}", shell_words::quote(&name));
    }
    Err(Exit::Refused.refuse(what, format!("deploy the folder: {command}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(given: &[&str]) -> Result<Option<PathBuf>> {
        let given: Vec<PathBuf> = given.iter().map(PathBuf::from).collect();
        Ok(choose(&given)?.map(Path::to_owned))
    }

    #[test]
    fn by_products_are_passed_over() {
        let one = |given: &[&str]| chosen(given).unwrap().unwrap();
        assert_eq!(
            one(&["l/app-1.jar", "l/app-1-plain.jar", "l/app-1-sources.jar", "l/app-1-javadoc.jar"]),
            Path::new("l/app-1.jar")
        );
        assert_eq!(one(&["l/app-1-plain.jar"]), Path::new("l/app-1-plain.jar"), "the only one is what was asked for");
        assert_eq!(Exit::of(&chosen(&["a.jar", "b.jar"]).unwrap_err()), Exit::Usage);
        assert!(chosen(&["a-plain.jar", "b-sources.jar"]).is_err());
        assert_eq!(chosen(&[]).unwrap(), None);
    }
}
