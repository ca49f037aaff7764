//! A configuration on trial: nginx tests it with a new site in it, before that site is where nginx would read it.
//!
//! So at no moment is there a site on disk with which nginx would not start again. The main file is copied beside itself,
//! for paths in it are relative to its folder, and the line that includes the sites is written out in the copy.

use crate::nginx::Nginx;
use crate::nginx::dump::matching;
use crate::nginx::tested::Rejected;
use anyhow::{Context, Result, ensure};
use bg_probe::nginx::conf::{self, Directive, spelled};
use bg_probe::os::replace;
use std::path::{Path, PathBuf};

/// Where nginx includes its sites: the main file, and the pattern of the `include` in its `http` block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sites {
    /// The main file of the configuration.
    pub(crate) main: PathBuf,
    /// The pattern as it stands there: `conf.d/*.conf`.
    pub(crate) pattern: String,
}

impl Sites {
    /// The pattern as a path.
    pub(crate) fn path(&self) -> PathBuf {
        self.main.parent().unwrap_or(Path::new("/")).join(&self.pattern)
    }

    /// Has nginx test its configuration as it would be with this text in that file, or without the file.
    ///
    /// # Errors
    /// When nginx finds it bad, or the copy can't be made.
    pub(crate) fn try_with(&self, nginx: &Nginx, file: &Path, text: Option<&str>) -> Result<(), Rejected> {
        let copy = self.copy()?;
        let main = std::fs::read_to_string(&self.main).with_context(|| format!("read {}", self.main.display()));
        let written = self.written_out(&main?, &matching(&self.path()), file, text)?;
        let put = replace::own_file(&copy, written.as_bytes(), 0o600);
        let tested = put.map_err(Rejected::from).and_then(|()| nginx.test_of(&copy));
        let removed = replace::remove(&copy);
        tested?;
        Ok(removed?)
    }

    /// Where the copy stands: always at the same place, so that what a killed run left is removed by the next.
    ///
    /// # Errors
    /// When the main file has no name.
    pub(crate) fn copy(&self) -> Result<PathBuf> {
        let name = self.main.file_name().context("nginx's main file has no name")?.to_string_lossy();
        Ok(self.main.with_file_name(format!(".{name}.bg-trial")))
    }

    /// The main file with the sites one by one in place of the line that includes them all.
    fn written_out(&self, main: &str, files: &[PathBuf], file: &Path, text: Option<&str>) -> Result<String> {
        let line = including(&conf::parse(main)?, &self.pattern);
        let line = line.with_context(|| format!("{} does not include {}", self.main.display(), self.pattern))?;
        let mut files: Vec<&Path> = files.iter().map(PathBuf::as_path).filter(|other| *other != file).collect();
        if text.is_some() {
            files.push(file);
        }
        // As nginx takes them (`ngx_conf_include`, glob(3)).
        files.sort_unstable();
        let site = |path: &Path| match text {
            Some(text) if path == file => format!("\n{text}"),
            _ => format!("\ninclude {};", spelled(&path.to_string_lossy())),
        };
        let sites: String = files.into_iter().map(site).collect();
        Ok(format!("{}{sites}\n{}", &main[..line.start], &main[line.end..]))
    }
}

/// Where nginx includes whole folders of sites, of its `http` block in the main file: one of `*.conf` before any other.
pub(crate) fn sites(main: &Path, text: &str) -> Result<Sites> {
    let directives = conf::parse(text)?;
    let patterns: Vec<&str> = includes(&directives).map(|(pattern, _)| pattern).collect();
    let of_all = |pattern: &&&str| pattern.ends_with("/*");
    let found = patterns.iter().find(|pattern| pattern.ends_with("/*.conf")).or_else(|| patterns.iter().find(of_all));
    ensure!(found.is_some(), "{} includes no folder of sites in its http block", main.display());
    Ok(Sites { main: main.to_owned(), pattern: found.map(|pattern| (*pattern).to_owned()).unwrap_or_default() })
}

fn including(directives: &[Directive], wanted: &str) -> Option<std::ops::Range<usize>> {
    includes(directives).find(|(pattern, _)| *pattern == wanted).map(|(_, directive)| directive.span.clone())
}

fn includes(directives: &[Directive]) -> impl Iterator<Item = (&str, &Directive)> {
    let http = directives.iter().filter(|directive| directive.texts() == ["http"]);
    http.filter_map(|http| http.block.as_deref()).flatten().filter_map(|directive| match directive.words.as_slice() {
        [name, pattern] if name.text == "include" => Some((pattern.text.as_str(), directive)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIN: &str = "events {}\nhttp {\n  include mime.types;\n  include s/*;\n  include c/*.conf; # all\n}\n";

    #[test]
    fn a_folder_of_files_with_an_end_comes_before_one_of_all() {
        let of = |text| sites(Path::new("/n/nginx.conf"), text).map(|sites| sites.path());
        assert_eq!(of(MAIN).unwrap(), Path::new("/n/c/*.conf"));
        assert_eq!(of("http { include /s/*; }").unwrap(), Path::new("/s/*"));
        for none in ["http { include mime.types; }", "include c/*.conf; http {}", "http {"] {
            assert!(of(none).is_err(), "{none}");
        }
    }

    #[test]
    fn the_sites_are_written_out_in_their_order() {
        let sites = sites(Path::new("/n/nginx.conf"), MAIN).unwrap();
        let files = ["/n/c/z.conf", "/n/c/m.conf", "/n/c/a b.conf"].map(PathBuf::from);
        let with = |text| sites.written_out(MAIN, &files, Path::new("/n/c/m.conf"), text).unwrap();
        let begin = "events {}\nhttp {\n  include mime.types;\n  include s/*;\n  ";
        let around = ["\ninclude \"/n/c/a b.conf\";", "\ninclude /n/c/z.conf;\n # all\n}\n"];
        assert_eq!(with(Some("server {}")), format!("{begin}{}\nserver {{}}{}", around[0], around[1]));
        assert_eq!(with(None), format!("{begin}{}{}", around[0], around[1]));
    }
}
