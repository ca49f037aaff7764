//! Links the unwinder of gcc into the programs, where gcc has it for that.
//!
//! All that it does for them is the backtrace of a panic. As a library of its own, `libgcc_s.so.1`, it is loaded each time,
//! and asks the processor a dozen questions, each of which a virtual machine answers in microseconds: a tenth of a
//! millisecond at every start. Where it is not found, the library is loaded as usual.

use std::env::var;
use std::path::Path;
use std::process::Command;

const UNWINDER: &str = "libgcc_eh.a";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| var(name).is_ok_and(|is| is == value);
    let is_native = var("HOST").is_ok_and(|host| is("TARGET", &host));
    if is_native && is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") && gcc_has(UNWINDER) {
        println!("cargo:rustc-link-lib=dylib:+verbatim={UNWINDER}");
    }
}

/// Whether the linker's driver finds a library: it prints its path then, and else the name alone.
fn gcc_has(library: &str) -> bool {
    let linker = var("RUSTC_LINKER").unwrap_or_else(|_| "cc".to_owned());
    let printed = Command::new(linker).arg(format!("-print-file-name={library}")).output();
    printed.is_ok_and(|printed| Path::new(String::from_utf8_lossy(&printed.stdout).trim()).is_absolute())
}
