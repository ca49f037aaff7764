//! What a printed site has beyond the usual: `--with sticky,preview`.

use anyhow::{Result, bail};
use std::str::FromStr;

/// The extras of a printed site, each of which costs every request a little.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extras {
    /// A visitor gets cookies, by which one of them is known again, and may stay with a release.
    pub(crate) sticky: bool,
    /// Whoever has a pass sees the slot that is not live.
    pub(crate) preview: bool,
}

impl Extras {
    /// Whether any of them goes by a visitor's cookie.
    pub(crate) fn are_of_visitors(&self) -> bool {
        self.sticky || self.preview
    }
}

impl FromStr for Extras {
    type Err = anyhow::Error;

    /// Understands the names, with commas between them.
    fn from_str(names: &str) -> Result<Extras> {
        let mut extras = Extras::default();
        for name in names.split(',').filter(|name| !name.is_empty()) {
            match name {
                "sticky" => extras.sticky = true,
                "preview" => extras.preview = true,
                _ => bail!("a site has no {name:?}. Give sticky, preview or both, with a comma"),
            }
        }
        Ok(extras)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extras_are_names_with_commas() {
        let both = Extras { sticky: true, preview: true };
        assert_eq!("sticky,preview".parse::<Extras>().unwrap(), both);
        assert_eq!("preview,sticky,".parse::<Extras>().unwrap(), both);
        assert_eq!("".parse::<Extras>().unwrap(), Extras::default());
        assert!("stickie".parse::<Extras>().is_err());
    }
}
