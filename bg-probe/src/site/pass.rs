//! A pass: whoever has its token sees one slot through nginx, whichever is live.
//!
//! It is a file, for which nginx looks where a request has a cookie with the slot and the token. Nobody but its owner may
//! list the folder, so a token can't be read off there; and when the file is gone, so is the pass, at once.

use crate::os::folder::make;
use crate::os::names;
use crate::os::owner::hand_over;
use crate::os::random;
use crate::os::replace;
use crate::site::dir::Dir;
use crate::site::slot::{Name, Slot, Slots};
use crate::site::visitor::{PASS_PAGE, variable};
use anyhow::{Context, Result};
use std::fs::{File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;

/// A pass that was made: a secret.
pub struct Pass {
    /// The name of its file: the slot's and the token.
    word: String,
}

impl Pass {
    /// Draws a token for `slot`, and makes its file for good.
    ///
    /// # Errors
    /// When the kernel gives no random bytes, or the file can't be made.
    pub fn make(dir: &Dir, slot: &Slot) -> Result<Pass> {
        let word = format!("{slot}-{}", random::digits()?);
        let folder = dir.passes();
        make(&folder)?;
        close(dir)?;
        names::empty_files(&folder, std::slice::from_ref(&word))?;
        Ok(Pass { word })
    }

    /// The cookie that a browser would send, for `curl -b`.
    #[must_use]
    pub fn cookie(&self, app: &Name) -> String {
        format!("{}={}", variable(app, "pass").trim_start_matches('$'), self.word)
    }

    /// The pass of such a cookie; `None` of any other text.
    #[must_use]
    pub fn of_cookie(cookie: &str, app: &Name, slots: &Slots) -> Option<Pass> {
        let word = cookie.strip_prefix(variable(app, "pass").trim_start_matches('$'))?.strip_prefix('=')?;
        let is_one = slots.both().iter().any(|slot| is_of(word, &slot.name));
        is_one.then(|| Pass { word: word.to_owned() })
    }

    /// The page that gives a browser the cookie, below the address of the site.
    #[must_use]
    pub fn page(&self) -> String {
        format!("{PASS_PAGE}?pass={}", self.word)
    }

    /// Takes it back.
    ///
    /// # Errors
    /// When its file can't be removed.
    pub fn revoke(&self, dir: &Dir) -> Result<()> {
        replace::remove(&dir.passes().join(&self.word))
    }
}

/// Lets nginx's workers look for a name they know, and nobody else see the names.
fn close(dir: &Dir) -> Result<()> {
    let path = dir.passes();
    let folder = File::open(&path).with_context(|| format!("open {}", path.display()))?;
    folder.set_permissions(Permissions::from_mode(0o711)).with_context(|| format!("chmod {}", path.display()))?;
    hand_over(&folder, &path)
}

/// Takes back all passes to a slot, for good; how many there were.
///
/// # Errors
/// When one can't be removed.
pub fn revoke(dir: &Dir, slot: &Name) -> Result<usize> {
    let folder = dir.passes();
    let names = match names::names_in(&folder) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(0),
        names => names.with_context(|| format!("look into {}", folder.display()))?,
    };
    let of_slot = names.iter().filter_map(|name| name.to_str()).filter(|name| is_of(name, slot));
    let paths: Vec<_> = of_slot.map(|name| folder.join(name)).collect();
    paths.iter().try_for_each(|path| replace::remove(path))?;
    Ok(paths.len())
}

fn is_of(name: &str, slot: &Name) -> bool {
    let token = name.strip_prefix(slot.as_str()).and_then(|rest| rest.strip_prefix('-'));
    token.is_some_and(random::may_be_digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_is_of_one_slot_also_where_another_s_name_begins_alike() {
        let token = "0123456789abcdef0123456789abcdef";
        let [short, long]: [Name; 2] = ["a", "a-b"].map(|name| name.parse().unwrap());
        assert!(is_of(&format!("a-{token}"), &short) && !is_of(&format!("a-{token}"), &long));
        assert!(is_of(&format!("a-b-{token}"), &long) && !is_of(&format!("a-b-{token}"), &short));
        assert!(!is_of("a-", &short) && !is_of(&format!("a-{token}0"), &short));
    }

    #[test]
    fn a_cookie_of_ours_gives_the_pass_again_and_no_other_text_does() {
        let (app, slots) = ("web".parse().unwrap(), "set1=8081,set2=8082".parse().unwrap());
        let pass = Pass { word: "set2-0123456789abcdef0123456789abcdef".to_owned() };
        let again = |cookie: &str| Pass::of_cookie(cookie, &app, &slots).map(|pass| pass.cookie(&app));
        assert_eq!(again(&pass.cookie(&app)), Some(pass.cookie(&app)));
        for other in
            ["", "bg_web_pass=", "bg_web_pass=set2-../../x", "bg_web_pass=set3-0123456789abcdef0123456789abcdef"]
        {
            assert_eq!(again(other), None, "{other}");
        }
    }
}
