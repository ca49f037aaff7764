//! An OpenSSH server on a free port of this machine, whose users' home is a folder of the test.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use bg_tests::{programs, until};

use crate::callers::runner::{Runner, SOON};

/// The server; it ends when this is dropped.
pub(crate) struct Sshd {
    child: Child,
    folder: PathBuf,
    port: u16,
}

impl Sshd {
    /// Starts it on the runner's server, with the server's programs on the PATH of whoever logs in.
    pub(crate) fn start(runner: &Runner) -> Sshd {
        let sshd = programs::of_the_system("sshd");
        let folder = runner.world.path("sshd");
        runner.world.make_dir("sshd/home");
        for key in ["host", "user"] {
            let made =
                Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(folder.join(key)).status();
            assert!(made.expect("ssh-keygen, which comes with ssh").success());
        }
        if nix::unistd::geteuid().is_root() {
            // Where its child without privileges lives; Debian's service makes it too.
            fs::create_dir_all("/run/sshd").expect("root may");
        }
        let port = runner.world.free_port();
        let conf = runner.world.write("sshd/sshd_config", config(&folder, port, runner));
        let mut server = runner.world.command(&sshd);
        server.arg("-D").arg("-E").arg(folder.join("log")).arg("-f").arg(&conf);
        let child = server.stdin(Stdio::null()).spawn().expect("sshd, which was found");
        until(SOON, "sshd listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Sshd { child, folder, port }
    }

    /// The runner, somewhere else: it has no programs of ours and no settings, but the way to the server.
    pub(crate) fn seen_from<'a>(&self, runner: Runner<'a>) -> Runner<'a> {
        let bin = self.folder.join("bin");
        for (program, flag) in [("ssh", "-p"), ("scp", "-P")] {
            let real = programs::of_the_system(program);
            let (real, port, key) = (real.display(), self.port, self.folder.join("user"));
            let line = format!("exec {real} {flag} {port} -i {} \"$@\"", key.display());
            runner.world.script(bin.join(program), &line);
        }
        let text = |name: &str| fs::read_to_string(self.folder.join(name)).expect("a key");
        let known = format!("[127.0.0.1]:{} {}", self.port, text("host.pub"));
        let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().expect("a name").name;
        let server = format!("{user}@127.0.0.1");
        let runner = runner.with_path(&bin).set("KEY", &text("user"));
        let runner = runner.set("SERVER", &server).set("DEPLOY_SERVER", &server);
        runner.set("KNOWN_HOSTS", &known).set("DEPLOY_KNOWN_HOSTS", &known)
    }

    /// Whether no file of a name that begins so is left in the home folder.
    pub(crate) fn nothing_is_left(&self, name: &str) -> bool {
        let files = fs::read_dir(self.folder.join("home")).expect("a folder of ours").flatten();
        !files.into_iter().any(|file| file.file_name().to_string_lossy().starts_with(name))
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

fn config(folder: &Path, port: u16, runner: &Runner) -> String {
    let (folder, path) = (folder.display(), runner.path().display());
    format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\nStrictModes no\nUsePAM no\n\
         PasswordAuthentication no\nAuthorizedKeysFile {folder}/user.pub\nPermitRootLogin prohibit-password\n\
         Subsystem sftp internal-sftp\nSetEnv \"PATH={path}\"\n\
         ForceCommand cd {folder}/home && if [ \"$SSH_ORIGINAL_COMMAND\" = internal-sftp ]; then exec /usr/lib/openssh/sftp-server; \
         else exec sh -c \"$SSH_ORIGINAL_COMMAND\"; fi\n"
    )
}
