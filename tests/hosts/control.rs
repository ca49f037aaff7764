//! The control host: Ansible alone, in a virtual environment, with our collection as `ansible-galaxy` installs it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use bg_tests::programs;

use super::lab::Lab;

/// Our collection, as it stands in the sources.
pub(crate) const COLLECTION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../bg-deploy/package/ansible");

/// What is installed from PyPI; the versions with which the tests were seen to pass.
const PACKAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/hosts/requirements.txt");

/// A program of Ansible's; the first caller installs them all.
#[track_caller]
pub(crate) fn program(name: &str) -> PathBuf {
    let target = programs::folder();
    let folder = target.parent().unwrap_or(&target).join("ansible");
    let lock = File::create(folder.with_extension("lock")).expect("a folder of ours");
    lock.lock().expect("a file of ours");
    let wanted = fs::read_to_string(PACKAGES).expect("a file of ours");
    let done = folder.join("done");
    if fs::read_to_string(&done).ok().as_ref() != Some(&wanted) {
        ran(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        ran(Command::new(folder.join("bin/pip")).args(["install", "--quiet", "--requirement", PACKAGES]));
        fs::write(done, wanted).expect("a folder of ours");
    }
    folder.join("bin").join(name)
}

/// Runs a command that must succeed; what it printed.
#[track_caller]
pub(crate) fn ran(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|why| panic!("{command:?}: {why}"));
    let said = text(&output);
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

/// The collection as a file, built into this folder.
#[track_caller]
pub(crate) fn build(into: &Path) -> PathBuf {
    let mut galaxy = Command::new(program("ansible-galaxy"));
    galaxy.args(["collection", "build", COLLECTION, "--output-path"]).arg(into);
    ran(&mut galaxy);
    let mut files = fs::read_dir(into).expect("a folder of ours").flatten().map(|file| file.path());
    files.find(|file| file.extension().is_some_and(|ending| ending == "gz")).expect("a file of the collection")
}

/// Ansible in a lab, with an inventory of its hosts.
pub(crate) struct Control<'a> {
    lab: &'a Lab,
}

/// How a playbook ended.
pub(crate) struct Played {
    pub(crate) code: Option<i32>,
    pub(crate) said: String,
}

impl<'a> Control<'a> {
    /// Installs the collection, and lists the hosts with these variables of all of them.
    #[track_caller]
    pub(crate) fn new(lab: &'a Lab, variables: &str) -> Control<'a> {
        let home = lab.path("control");
        fs::create_dir_all(&home).expect("a folder of ours");
        let file = build(&home);
        let mut galaxy = Command::new(program("ansible-galaxy"));
        galaxy.env("HOME", &home).args(["collection", "install", "--offline", "--collections-path"]);
        ran(galaxy.arg(home.join("collections")).arg(file));
        let config = "[defaults]\nforks=60\ntimeout=5\ninventory=inventory\ncollections_path=collections\n\
                      retry_files_enabled=False\n[ssh_connection]\npipelining=True\ncontrol_path_dir=/run/cp\n";
        fs::write(home.join("ansible.cfg"), config).expect("a folder of ours");
        fs::create_dir_all(home.join("group_vars")).expect("a folder of ours");
        fs::write(home.join("group_vars/bg.yml"), variables).expect("a folder of ours");
        let control = Control { lab };
        let hosts = lab.hosts.iter().map(|host| format!("{} ansible_host={}\n", host.name, host.address));
        control.list(&hosts.collect::<String>());
        control
    }

    /// Takes these lines of an inventory for the hosts.
    #[track_caller]
    pub(crate) fn list(&self, hosts: &str) {
        let (key, known) = (self.lab.path("key"), self.lab.path("known_hosts"));
        let inventory = format!(
            "[bg]\n{hosts}\n[bg:vars]\nansible_user=deploy\nansible_ssh_private_key_file={}\n\
             ansible_ssh_common_args=-o UserKnownHostsFile={} -o ServerAliveInterval=2 -o ServerAliveCountMax=2\n\
             ansible_python_interpreter=/usr/bin/python3\n",
            key.display(),
            known.display(),
        );
        fs::write(self.home().join("inventory"), inventory).expect("a folder of ours");
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.lab.path("control")
    }

    /// Ansible's command with these words, in the lab.
    pub(crate) fn command(&self, name: &str, words: &[&str]) -> Command {
        let mut command = self.lab.command(Path::new("env"));
        command.arg("-C").arg(self.home());
        command.args(["-i", "PATH=/usr/bin:/bin:/usr/sbin", "LANG=C.UTF-8"]);
        command.arg(format!("HOME={}", self.home().display()));
        command.arg(program(name)).args(words).stdin(Stdio::null());
        command
    }

    /// Plays one of the collection's playbooks.
    #[track_caller]
    pub(crate) fn play(&self, playbook: &str, words: &[&str]) -> Played {
        self.start(playbook, words).end()
    }

    /// Begins to play one.
    #[track_caller]
    pub(crate) fn start(&self, playbook: &str, words: &[&str]) -> Playing {
        let name = format!("bg.deploy.{playbook}");
        let words: Vec<&str> = [name.as_str()].into_iter().chain(words.iter().copied()).collect();
        let mut command = self.command("ansible-playbook", &words);
        Playing(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("nsenter(1)"))
    }
}

/// A playbook that is being played.
pub(crate) struct Playing(Child);

impl Playing {
    /// Waits for its end.
    #[track_caller]
    pub(crate) fn end(self) -> Played {
        let output = self.0.wait_with_output().expect("a child of ours");
        Played { code: output.status.code(), said: text(&output) }
    }
}

impl Played {
    /// The same, where it must have succeeded.
    #[track_caller]
    pub(crate) fn succeeded(self) -> Played {
        assert_eq!(self.code, Some(0), "{}", self.said);
        self
    }

    /// The same, where it must have failed.
    #[track_caller]
    pub(crate) fn failed(self) -> Played {
        assert!(self.code.is_some_and(|code| code != 0), "{}", self.said);
        self
    }

    /// A number of the recap's line of each host, `changed` or `failed`.
    #[track_caller]
    pub(crate) fn recap(&self, what: &str) -> Vec<u32> {
        let (_, recap) = self.said.split_once("PLAY RECAP").unwrap_or_else(|| panic!("{}", self.said));
        let number = |line: &str| {
            let (_, rest) = line.split_once(&format!("{what}="))?;
            rest.split_whitespace().next()?.parse().ok()
        };
        recap.lines().filter_map(number).collect()
    }
}
