//! How an application is asked: the host it is asked for, the headers that go along, and the port.

use anyhow::{Context, Result};
use bg_probe::os::http::Header;
use bg_probe::say::exit::{Exit, OrExit};
use bg_probe::site::advice::as_given;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::{Slot, Slots};

/// How an application is asked, where it is not asked as a plain client of its slot would ask it.
#[derive(Debug, Default)]
pub(crate) struct Manner {
    /// The host to ask for; `None` for that of the front.
    pub(crate) host: Option<String>,
    /// What goes along with each request.
    pub(crate) headers: Vec<Header>,
    /// The slots by the ports at which their health is asked for, where those are not their own.
    pub(crate) ports: Option<Slots>,
}

impl Manner {
    /// The host to ask for.
    pub(crate) fn host<'a>(&'a self, site: &'a Site) -> Option<&'a str> {
        self.host.as_deref().or(site.front_host.as_deref())
    }

    /// The slot by the port at which its health is asked for; `None` where that is its own.
    ///
    /// # Errors
    /// [`Exit::Usage`] where the ports are not those of the site's slots, or the port is the other slot's own.
    pub(crate) fn port_of(&self, site: &Site, slot: &Slot) -> Result<Option<Slot>> {
        let Some(ports) = &self.ports else { return Ok(None) };
        let asked = ports.named(slot.name.as_str()).with_context(|| as_given("health", "port")).or_exit(Exit::Usage)?;
        let other = site.slots.other(&slot.name);
        if (Slot { name: other.name.clone(), ..asked.clone() }) == *other {
            let what = format!("{}: {} is the port of {other} itself", as_given("health", "port"), asked.on_port());
            return Err(Exit::Usage.refuse(what, "name the port at which its own health is asked for"));
        }
        Ok(Some(asked.clone()).filter(|asked| asked != slot))
    }
}
