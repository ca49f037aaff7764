//! Other people's sites in the same nginx: each with TLS and files of its own, which a reload reads again.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use bg_tests::{World, programs};

use crate::place::output;

/// Adds so many sites, in place of those added before.
pub(crate) fn add(world: &World, count: usize) {
    let folder = world.folder().join("certificates");
    fs::create_dir_all(&folder).expect("a writable temporary folder");
    let (key, certificate) = (folder.join("key.pem"), folder.join("certificate.pem"));
    if !key.exists() {
        output(
            Command::new(programs::of_the_system("openssl"))
                .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=example.org"])
                .arg("-keyout")
                .arg(&key)
                .arg("-out")
                .arg(&certificate),
        );
    }
    let port = world.free_port();
    let mut text = "server_names_hash_max_size 8192;\n".to_owned();
    for site in 0..count {
        let (own_key, own) = (folder.join(format!("{site}.key")), folder.join(format!("{site}.pem")));
        fs::copy(&key, &own_key).expect("a writable temporary folder");
        fs::copy(&certificate, &own).expect("a writable temporary folder");
        // Writing to a String can't fail.
        let _ = writeln!(
            text,
            "server {{ listen 127.0.0.1:{port} ssl; server_name site{site}.example.org; ssl_certificate {}; \
             ssl_certificate_key {}; location / {{ return 200; }} }}",
            own.display(),
            own_key.display()
        );
    }
    world.nginx.add_to_http("others", &text);
    world.nginx.reload();
}
