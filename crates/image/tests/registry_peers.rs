//! The registry transport against Docker's registry, with skopeo as a witness.
#![allow(clippy::unwrap_used, reason = "tests may, their helpers too")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::{Bench, Running, chain, has_tool, read_all, run};
use image::transport::registry::{self, AuthFiles, Credential, Options};
use image::{Error, Name};

/// A `docker-registry` on a free port, its storage in a temporary directory.
struct Peer {
    host: String,
    _process: Running,
}

impl Peer {
    /// `http` and `auth` are added to the configuration.
    fn start(bench: &Bench, label: &str, http: &str, auth: &str) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let host = format!("127.0.0.1:{}", listener.local_addr().unwrap().port());
        drop(listener);
        let storage = bench.path(label);
        let config = bench.path(&format!("{label}.yml"));
        let text = format!(
            "version: 0.1\nlog: {{level: warn}}\nstorage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
             http:\n  addr: {host}\n{http}\n{auth}\n",
            storage.display()
        );
        std::fs::write(&config, text).unwrap();
        let log = bench.path(&format!("{label}.log"));
        let arguments = ["serve", config.to_str().unwrap()];
        let process = Running::start("docker-registry", &arguments, &log);
        for _ in 0..200 {
            if std::net::TcpStream::connect(&host).is_ok() {
                return Self {
                    host,
                    _process: process,
                };
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        panic!("no registry: {}", std::fs::read_to_string(&log).unwrap());
    }

    fn name(&self, rest: &str) -> Name {
        Name::parse(&format!("{}/{rest}", self.host)).unwrap()
    }
}

#[test]
fn docker_registry_and_skopeo_agree() {
    if !has_tool("docker-registry") || !has_tool("skopeo") {
        return;
    }
    let bench = Bench::new();
    let peer = Peer::start(&bench, "open", "", "");
    let image = bench.image(&[("usr/one", 3_000_000), ("usr/two", 5_000)]);
    let name = peer.name("team/app:1.0");
    let options = Options::default();
    let written = registry::write(&image, &name, &options, bench.context()).unwrap();
    assert!(written.bytes > image.stored_size());
    let again = registry::write(&image, &name, &options, bench.context()).unwrap();
    assert_eq!(again.bytes, 0);

    let opened = registry::open(&name, &options, bench.context()).unwrap();
    assert_eq!(opened.image.digest(), image.digest());
    assert_eq!(read_all(&opened.image), Ok(image.stored_size()));
    // To another repository of the same registry: mounted.
    let other = peer.name("other:2");
    let mounted = registry::write(&opened.image, &other, &options, bench.context()).unwrap();
    assert_eq!(mounted.bytes, image.manifest().config.size);

    let address = format!("docker://{other}");
    let seen = run("skopeo", &["inspect", "--tls-verify=false", &address]);
    let seen: serde_json::Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen["Digest"], image.digest().to_string());
    assert_eq!(
        seen["Layers"][0],
        image.manifest().layers[0].digest.to_string()
    );
    let copied = bench.path("skopeo");
    let to = format!("oci:{}:x", copied.display());
    run(
        "skopeo",
        &["copy", "-q", "--src-tls-verify=false", &address, &to],
    );
    let copied = image::transport::layout::open(&copied, Some("x"), bench.context()).unwrap();
    assert_eq!(copied.image.digest(), image.digest());

    // What skopeo pushes in Docker's media types is read, and keeps its digest.
    let docker = format!("docker://{}/docker:1", peer.host);
    let options_of_skopeo = [
        "copy",
        "-q",
        "--format=v2s2",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
    ];
    let mut arguments = options_of_skopeo.to_vec();
    arguments.extend([&*address, &*docker]);
    run("skopeo", &arguments);
    let opened = registry::open(&peer.name("docker:1"), &options, bench.context()).unwrap();
    assert_eq!(opened.image.id(), image.id());
    let to = peer.name("docker-copy:1");
    let written = registry::write(&opened.image, &to, &options, bench.context()).unwrap();
    assert_eq!(written.manifest.digest, opened.image.digest());

    let missing = registry::open(&peer.name("team/app:2"), &options, bench.context());
    assert!(matches!(missing, Err(Error::NotFound { .. })));
}

#[test]
fn docker_registry_with_passwords() {
    if !has_tool("docker-registry") || !has_tool("htpasswd") {
        return;
    }
    let bench = Bench::new();
    let file = bench.path("htpasswd");
    std::fs::write(&file, run("htpasswd", &["-Bbn", "me", "secret:1"])).unwrap();
    let auth = format!(
        "auth: {{htpasswd: {{realm: \"a, b\", path: {}}}}}",
        file.display()
    );
    let peer = Peer::start(&bench, "closed", "", &auth);
    let image = bench.image(&[("x", 100_000)]);
    let name = peer.name("app:1");
    let denied = registry::write(&image, &name, &Options::default(), bench.context());
    let denied = denied.unwrap_err();
    assert!(matches!(denied, Error::Denied { .. }), "{}", chain(denied));
    let given = Credential::Password {
        username: "me".to_owned(),
        password: "secret:1".to_owned(),
    };
    let options = Options {
        credentials: Arc::new(BTreeMap::from([(peer.host.clone(), given)])),
        ..Options::default()
    };
    registry::write(&image, &name, &options, bench.context()).unwrap();

    // With what `skopeo login` leaves behind.
    if !has_tool("skopeo") {
        return;
    }
    let logins = bench.path("auth.json");
    let file = logins.to_str().unwrap();
    run(
        "skopeo",
        &[
            "login",
            "--tls-verify=false",
            "--authfile",
            file,
            "-u",
            "me",
            "-p",
            "secret:1",
            &peer.host,
        ],
    );
    let files = AuthFiles::read([Path::new("/nonexistent"), &logins]).unwrap();
    let options = Options {
        credentials: Arc::new(files),
        ..Options::default()
    };
    let opened = registry::open(&name, &options, bench.context()).unwrap();
    assert_eq!(read_all(&opened.image), Ok(image.stored_size()));
}

#[test]
fn docker_registry_with_tls() {
    if !has_tool("docker-registry") || !has_tool("openssl") {
        return;
    }
    let bench = Bench::new();
    let (key, certificate) = (bench.path("key.pem"), bench.path("certificate.pem"));
    let (key_path, certificate_path) = (key.to_str().unwrap(), certificate.to_str().unwrap());
    run(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=test",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-keyout",
            key_path,
            "-out",
            certificate_path,
        ],
    );
    let http = format!("  tls: {{certificate: {certificate_path}, key: {key_path}}}");
    let peer = Peer::start(&bench, "tls", &http, "");
    let image = bench.image(&[("x", 2_000_000)]);
    let name = peer.name("app:1");
    let quick = Options {
        retries: 0,
        ..Options::default()
    };
    let error = chain(registry::open(&name, &quick, bench.context()).unwrap_err());
    assert!(error.contains("TLS: invalid peer certificate"), "{error}");
    let options = Options {
        ca_certificates: vec![std::fs::read(&certificate).unwrap()],
        ..quick
    };
    registry::write(&image, &name, &options, bench.context()).unwrap();
    let opened = registry::open(&name, &options, bench.context()).unwrap();
    assert_eq!(read_all(&opened.image), Ok(image.stored_size()));
}
