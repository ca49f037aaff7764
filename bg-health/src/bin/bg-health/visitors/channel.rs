//! What nginx's workers say, and nobody else.
//!
//! Everybody on this machine may send to the socket. Whether a process is one of nginx's workers is seen by a request of our
//! own to nginx, marked with random digits, which nginx answers by itself and tells nobody of: who knows the mark is a
//! worker, and so is what the same user runs under the same parent, which only nginx's master can start there.

use crate::visitors::tally::{Count, Tally};
use anyhow::{Context, Result, bail, ensure};
use bg_probe::live::front::SLOT_PAGE;
use bg_probe::os::deadline::Deadline;
use bg_probe::os::folder::make;
use bg_probe::os::http::Get;
use bg_probe::os::mailbox::{Mailbox, Sender};
use bg_probe::os::owner::ensure_no_foreign_link;
use bg_probe::os::process::Stat;
use bg_probe::os::random;
use bg_probe::os::replace;
use bg_probe::site::settings::{FrontSetting, Site};
use bg_probe::site::watched::{HEADER, Said, folder, gate, socket};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long nginx may take to be heard when the watch begins: a worker's first datagram is lost, where it has a socket of an
/// earlier watch still.
const HEARD_WITHIN: Duration = Duration::from_secs(1);

/// How long one answer of nginx's own may take.
const ASKED_WITHIN: Duration = Duration::from_secs(1);

/// How often it is asked for that.
const ASK_EVERY: Duration = Duration::from_millis(60);

/// How often the end of the watch is looked for; so long nginx is heard after the gate is shut, too.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The longest datagram that is understood, in bytes.
const LONGEST: usize = 4096;

/// Why nothing is heard, mostly.
const DEAF: &str = "nginx says nothing of its requests: install the site of bg-switch --print-site --with watch, if it is \
                    not; else its workers may not look into /proc";

/// nginx's workers, listened to.
pub(crate) struct Channel {
    heard: Arc<Mutex<Heard>>,
    is_over: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
    gate: PathBuf,
    get: Get,
}

/// What was heard so far.
#[derive(Default)]
struct Heard {
    tally: Tally,
    /// The mark of a request that is under way.
    mark: Option<String>,
    /// Who has known a mark, and the parents of those.
    proven: Vec<(Sender, Option<i32>)>,
    /// Each sender, and whether it is one of nginx's workers.
    senders: HashMap<Sender, bool>,
    /// Whether somebody was heard who is not known.
    has_strangers: bool,
}

impl Channel {
    /// Opens the gate, and waits until a worker of nginx's is heard; where none is, it may be later.
    ///
    /// # Errors
    /// When there is no front to ask, or the socket or the gate can't be made.
    pub(crate) fn open(site: &Site) -> Result<Channel> {
        let FrontSetting::At(url) = &site.front else { bail!("nginx can't be asked: there is no front (--front -)") };
        let own = url.on(url.scheme(), url.port(), SLOT_PAGE).context("the front has no other page")?;
        let get = Get::new(&own, site.front_host.as_deref())?;
        let folder = folder(&site.dir);
        ensure_no_foreign_link(&folder)?;
        make(&folder)?;
        ensure!(!gate(&site.dir).exists(), "another watch of {} is under way, and nginx tells one alone", site.app);
        let mailbox = Mailbox::at(&socket(&site.dir), LOOK_EVERY)?;
        let (heard, is_over) = (Arc::<Mutex<Heard>>::default(), Arc::<AtomicBool>::default());
        let (tell, told) = mpsc::channel();
        let reader = {
            let (heard, is_over, site) = (Arc::clone(&heard), Arc::clone(&is_over), site.clone());
            let listen = move || {
                // It goes with this thread, and no other is ever called so as long as this process lives.
                let _ = tell.send(std::fs::read_link("/proc/thread-self"));
                read(&mailbox, &heard, &is_over, &site);
            };
            std::thread::Builder::new().spawn(listen).context("start to listen")?
        };
        let channel = Channel { heard, is_over, reader: Some(reader), gate: gate(&site.dir), get };
        let thread = told.recv().context("start to read")?.context("look at /proc/thread-self")?;
        replace::link(&channel.gate, &Path::new("/proc").join(thread).join("stat"))?;
        let deadline = Deadline::within(HEARD_WITHIN);
        deadline.wait(ASK_EVERY, || {
            channel.prove();
            Ok(channel.is_deaf().is_none())
        })?;
        Ok(channel)
    }

    /// Why no worker is heard, if none is.
    pub(crate) fn is_deaf(&self) -> Option<&str> {
        self.heard().proven.is_empty().then_some(DEAF)
    }

    /// What was heard so far: the answers of each slot, and how many answers were missed.
    pub(crate) fn heard_of(&self) -> ([Count; 2], u64) {
        let heard = self.heard();
        (heard.tally.counts.clone(), heard.tally.missed())
    }

    /// Gets to know a worker that was not known: nginx may have read its configuration again.
    pub(crate) fn keep(&self) {
        let heard = self.heard();
        let is_known = !heard.has_strangers && !heard.proven.is_empty();
        drop(heard);
        if !is_known {
            self.prove();
        }
    }

    /// Asks nginx with a mark.
    fn prove(&self) {
        let Ok(mark) = random::digits() else { return };
        self.heard().mark = Some(mark.clone());
        // What counts is what a worker says of it.
        let _ = self.get.send_with(&[(HEADER, &mark)], ASKED_WITHIN);
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        lock(&self.heard)
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        // A link that stays leads nowhere as soon as this process has ended.
        let _ = std::fs::remove_file(&self.gate);
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// Reads until it is over, and then until nothing comes any more.
fn read(mailbox: &Mailbox, heard: &Mutex<Heard>, is_over: &AtomicBool, site: &Site) {
    let mut room = vec![0; LONGEST];
    let mut end = None;
    loop {
        let was_over = is_over.load(Ordering::Relaxed);
        // Whoever goes on sending does not keep it from ending.
        if was_over && end.get_or_insert_with(|| Deadline::within(HEARD_WITHIN)).is_over() {
            return;
        }
        match mailbox.take(&mut room) {
            Ok(Some((length, by))) => {
                if let Some(said) = Said::parse(&room[..length], site) {
                    lock(heard).hear(by, &said);
                }
            }
            Ok(None) if !was_over => {}
            Ok(None) | Err(_) => return,
        }
    }
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Heard {
    fn hear(&mut self, by: Sender, said: &Said) {
        if by.pid == 0 {
            return;
        }
        if self.mark.as_ref() == Some(&said.mark) {
            self.mark = None;
            self.proven.push((by, parent(by)));
            self.senders.clear();
            self.has_strangers = false;
            return;
        }
        let proven = &self.proven;
        let is_worker = *self.senders.entry(by).or_insert_with(|| is_worker(by, proven));
        // A mark of an earlier question is no visitor's.
        if is_worker && !random::may_be_digits(&said.mark) {
            self.tally.add(by, said);
        }
        self.has_strangers |= !is_worker;
    }
}

/// Whether a process is one of nginx's workers: known itself, or a child of the same master as the same user. What has lost
/// its parent is a child of the first process, and so is anything else.
fn is_worker(by: Sender, proven: &[(Sender, Option<i32>)]) -> bool {
    let parent = parent(by).filter(|parent| *parent > 1);
    proven.iter().any(|(one, its)| *one == by || (one.uid == by.uid && parent.is_some() && *its == parent))
}

fn parent(of: Sender) -> Option<i32> {
    Stat::of(of.pid).map(|stat| stat.parent)
}
