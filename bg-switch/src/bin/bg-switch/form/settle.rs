//! A switch or a conversion that an earlier run, killed in the middle, has left half done.

use crate::form::change::Change;
use crate::form::rewrite;
use anyhow::Result;
use bg_probe::live::pending::{self, Pending};
use bg_probe::nginx::upstream;

/// Brings file and nginx together where an earlier switch or conversion was cut short, and reports that; whether there
/// was one.
///
/// # Errors
/// When the note or the file can't be read or written; [`bg_probe::say::exit::Exit::NotMoved`] when nginx refuses.
pub(crate) fn settle(change: &Change) -> Result<bool> {
    // Who moves nginx by hand ends whatever was cut short: the move writes the file, and proves what nginx serves.
    if let Some(what) = Pending::damage(change.site) {
        change.voice.warn(&format!("{what}; what is done now takes its place"));
        Pending::end(&change.site.dir)?;
        return Ok(true);
    }
    let settled = [pending::settle(change.site)?, undo_conversion(change)?];
    settled.iter().flatten().for_each(|words| change.voice.warn(words));
    Ok(settled.iter().any(Option::is_some))
}

/// Ends a conversion that was cut short: the old text is put back and read again, whatever nginx has in memory.
fn undo_conversion(change: &Change) -> Result<Option<String>> {
    let site = change.site;
    let Some(unfinished) = Pending::of(site)?.filter(|unfinished| unfinished.is_conversion) else {
        return Ok(None);
    };
    let slot = site.slots.named(&unfinished.to)?;
    let file = site.upstream_file.display();
    if let Some(serving) = change.serving().filter(|serving| serving != slot) {
        // The operator has moved nginx by hand since: the old text would move it back.
        Pending::end(&site.dir)?;
        return Ok(Some(format!("an earlier conversion of {file} was cut short; {serving} serves since, and stays")));
    }
    let text = unfinished.before.clone().unwrap_or_else(|| upstream::reload::text(site, slot));
    rewrite::apply(&change.that_moves_nothing(), &unfinished, &text, slot)?;
    Ok(Some(format!("an earlier conversion of {file} was cut short and is undone")))
}
