//! The programs of the packages: on both architectures they need no glibc newer than 2.17, as Amazon Linux 2, RHEL 7 and
//! Ubuntu 14.04 have it or a newer one.

use std::path::Path;
use std::process::Command;

use bg_tests::{Run as _, is_full, programs, tell};

use super::{PROGRAMS, script};

/// The newest version of glibc that may be needed.
const NEWEST: (u32, u32) = (2, 17);

/// The versions that the lines of `objdump -T` name: `(GLIBC_2.2.5) malloc`.
fn versions(symbols: &str) -> Vec<(u32, u32)> {
    let named = symbols.split("GLIBC_").skip(1).map(|rest| rest.split([')', ' ', '\n']).next().unwrap_or_default());
    let number = |text: Option<&str>| text.and_then(|text| text.parse().ok());
    // What is private to glibc is of no version: newer than any.
    let version = |name: &str| {
        let mut parts = name.split('.');
        Some((number(parts.next())?, number(parts.next())?))
    };
    named.map(|name| version(name).unwrap_or((u32::MAX, 0))).collect()
}

#[test]
fn the_programs_need_no_newer_glibc_than_2_17_on_x86_64_and_on_arm() {
    if !is_full() {
        return tell("binaries: not built; tests/run --full builds them");
    }
    for architecture in ["x86_64", "aarch64"] {
        let folder = script("binaries").arg(architecture).ran().success().stdout();
        for program in PROGRAMS {
            let program = Path::new(folder.trim()).join(program);
            let symbols = Command::new(programs::of_the_system("objdump")).arg("-T").arg(&program).ran().success();
            let needed = versions(&symbols.stdout());
            assert!(needed.len() > 50, "nothing is needed? {symbols}");
            let newest = needed.iter().max().expect("some");
            assert!(*newest <= NEWEST, "{} needs glibc {newest:?}", program.display());
        }
    }
}

#[test]
fn a_version_is_read_of_a_line_of_objdump() {
    let lines = "0 DF *UND* 0 (GLIBC_2.2.5) malloc\n0 DF *UND* 0 (GLIBC_2.17) clock_gettime\n0 (GLIBC_PRIVATE) x\n";
    assert_eq!(versions(lines), [(2, 2), (2, 17), (u32::MAX, 0)]);
}
