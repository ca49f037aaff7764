//! The tests of the whole: real programs, a real nginx, real applications. One file a topic; this
//! is their table of contents.

/// The harness itself: nginx serves and moves, the sample jar runs, and nothing is left over.
mod harness_works;

/// `bg-probe`: which slot is live, by the verdict table; its settings, its words and its table.
mod probe;

/// The record: every line between the stages to the letter, and what a stage refuses to read.
mod record;

/// `bg-launch`: a release is put into a slot and started: what is refused, what is stopped, and what then runs.
mod launch;

/// The bare pipeline in a shell: it deploys, and where it breaks nothing behind the break is touched.
mod chain;

/// The whole by one command: deploys, rollbacks, failures, signals, the watch, the history.
mod deploy;

/// A deploy in two steps: prepared now, and finished or abandoned later.
mod prepare;

/// `--if-changed`: what is live already is not launched again, and the way back stays where it is.
mod changed;

/// `bg-switch` in the reload form: it moves, it proves, and whatever goes wrong it goes back.
mod switch;

/// The link form: one rename, nothing cut, and the way from one form to the other.
mod link;

/// A share of the visitors: who meets the new release, who does not, and the way on and back.
mod share;

/// The stand-in: the live process dies, and visitors are answered by the release before.
mod stand_in;

/// A site that is closed: every visitor gets a page, and deploys go on.
mod closed;

/// Behind a load balancer: whether it sends visitors to this host, and how a host is taken out and comes back.
mod ready;

/// Assets of the release before: asked of the other slot where the first does not have them.
mod assets;

/// A watch that sees the visitors: what nginx has answered them decides, and nothing that anybody else says.
mod visitors;

/// The address in the upstream file: scheme, host and path stay, and what is no slot's is refused.
mod address;

/// nginx in a container, which has another name for the host.
mod container;

/// The nginx configuration that `bg-switch` prints for a new application.
mod site;

/// A site set up in one command, what that leaves alone, and the way back.
mod setup;

/// The nginx of other releases of Debian takes the printed site and passes its tests. In a full run alone.
mod debians;

/// A rate limit on the site: what it refuses says nothing, and few questions are asked.
mod limited;

/// Staying: who was in the old slot stays there for a while after a deploy, and is moved in the end.
mod linger;

/// A pass to the slot that is not live.
mod preview;

/// A cache in front of the page that names the slot.
mod cached;

/// Killed anywhere, whole everywhere: every program struck at every call that changes something.
mod sweep;

/// `bg-health`: what it takes for healthy, how it waits, whom it believes, and what it says when it gives up.
mod health;

/// `bg-launch --live`, `--user` and the warning of memory: at home on a small server without systemd.
mod live;

/// `--check`: what would keep a deploy from working, each thing with what to do about it.
mod check;

/// The page "Your application": its commands, with real applications of each kind. In a full run alone, but for the jar.
mod application;

/// Advice: each command that is printed for a person to copy is copied to a shell, and does what was promised.
mod advice;

/// README and the page of each program: their parts, and where their links lead.
mod documents;

/// The page in Korean: its commands are those of the other pages, and its way over from the scripts is taken.
mod korean;

/// The walls between the rooms of the library and between the crates, and no circle.
mod rooms;

/// Our own files, empty, garbage or a folder: what serves goes on, and one command helps.
mod damaged;

/// Broken input for everything that parses.
mod fuzz;

/// Deploys, switches and launches at once.
mod races;

/// Hundreds of deploys and rollbacks in a row, under load.
mod soak;

/// Every way in which applications and nginx misbehave, and what is left then.
mod faults;

/// Whatever anybody plants, answers or calls a file: it is a fact, and never a command.
mod security;

/// What a deploy refuses before it touches anything, in the words of `--check`.
mod foreseen;

/// Hooks: commands of the operator's own, what they are given, and what they can't do.
mod hooks;

/// Where a deploy is called from: CI runners, agents, cron and make, each by its example file.
mod callers;

/// What must happen once: jobs in the live release alone, migrations before a launch, the companion, signals.
mod once;

/// The history of deploys: who, what, when and how it ended; how it is kept, and shown.
mod history;

/// Metrics: what they tell, and who takes them.
mod metrics;

/// What all five programs read alike: durations, empty variables, unknown names, passwords; and their short and long help.
mod variables;

/// On a terminal: colours and widths there, and plain lines everywhere else.
mod terminal;

/// `--via systemd` on a machine with a real one: units, crashes, drop-ins, reboots. In the full run alone.
mod systemd;

/// Many servers: Ansible deploys on hosts in namespaces of their own, behind HAProxy. In the full run alone.
mod hosts;

/// The packages of a release: what is in them, and each kind installed, used, upgraded and removed. In a full run alone,
/// but for the script that installs.
mod packages;

/// The workflows of GitHub: they parse, and what their steps call is there and works.
mod workflows;
