//! The registry transport against a registry that misbehaves.
#![allow(clippy::unwrap_used, reason = "tests may, their helpers too")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use common::{Bench, chain, read_all};
use image::transport::registry::{self, Credential, Mirror, Options, Turn};
use image::transport::{self, Remote};
use image::{Error, Image, Name, Reference};
use testkit::registry::{Faults, Login, PASSWORD, REFRESH, Registry, USER};

fn options() -> Options {
    Options {
        pause: Duration::from_millis(2),
        ..Options::default()
    }
}

fn with(host: &str, credential: Credential) -> Options {
    Options {
        credentials: Arc::new(BTreeMap::from([(host.to_owned(), credential)])),
        ..options()
    }
}

fn password() -> Credential {
    Credential::Password {
        username: USER.to_owned(),
        password: PASSWORD.to_owned(),
    }
}

fn name(registry: &Registry, rest: &str) -> Name {
    Name::parse(&format!("{}/{rest}", registry.host())).unwrap()
}

/// A registry with an image of 3 MB in two layers, called `a/b:1`.
fn filled(bench: &Bench) -> (Registry, Image) {
    let registry = Registry::start(Faults::default());
    let image = bench.image(&[("usr/one", 1_000_000), ("usr/two", 2_000_000)]);
    let name = name(&registry, "a/b:1");
    let written = registry::write(&image, &name, &options(), bench.context()).unwrap();
    assert_eq!(written.manifest.digest, image.digest());
    let config = image.manifest().config.size;
    assert_eq!(written.bytes, image.stored_size() + config);
    registry.forget_requests();
    (registry, image)
}

#[test]
fn what_is_pushed_is_pulled() {
    let bench = Bench::new();
    let (registry, image) = filled(&bench);
    let name = name(&registry, "a/b:1");
    let opened = registry::open(&name, &options(), bench.context()).unwrap();
    assert_eq!(opened.image.manifest(), image.manifest());
    assert_eq!(opened.image.config(), image.config());
    assert_eq!(opened.name, Some(name.clone()));
    // Layers wait until they are read.
    let config = format!("blobs/{}", image.id());
    assert_eq!((registry.count("/blobs/"), registry.count(&config)), (1, 1));
    assert_eq!(read_all(&opened.image), Ok(image.stored_size()));

    let pinned = Name::parse(&format!("{}/a/b@{}", registry.host(), image.digest())).unwrap();
    let pinned = registry::open(&pinned, &options(), bench.context()).unwrap();
    assert_eq!(pinned.image.digest(), image.digest());

    // Again, nothing is sent; to another repository, it is mounted.
    let again = registry::write(&image, &name, &options(), bench.context()).unwrap();
    assert_eq!(again.bytes, 0);
    registry.forget_requests();
    let other = self::name(&registry, "c:2");
    let written = registry::write(&opened.image, &other, &options(), bench.context()).unwrap();
    let config = image.manifest().config.size;
    assert_eq!(written.bytes, config, "{:?}", registry.requests());
    assert_eq!(registry.count("mount=sha256%3A"), 2);
    let opened = registry::open(&other, &options(), bench.context()).unwrap();
    assert_eq!(read_all(&opened.image), Ok(image.stored_size()));
}

#[test]
fn plain_layers_are_compressed_and_docker_manifests_kept() {
    let bench = Bench::new();
    let registry = Registry::start(Faults::default());
    let image = bench.image(&[("x", 100_000), ("y", 10)]);
    let archive = bench.path("a.tar");
    image::transport::docker_archive::write(&image, &archive, None, bench.context()).unwrap();
    let plain = image::transport::docker_archive::open(&archive, None).unwrap();
    let to = name(&registry, "plain");
    let written = registry::write(&plain.image, &to, &options(), bench.context()).unwrap();
    let opened = registry::open(&to, &options(), bench.context()).unwrap();
    assert_eq!(opened.image.id(), image.id());
    assert_eq!(opened.image.digest(), written.manifest.digest);
    let types: Vec<&str> = opened
        .image
        .manifest()
        .layers
        .iter()
        .map(|l| &*l.media_type)
        .collect();
    assert_eq!(types, ["application/vnd.oci.image.layer.v1.tar+gzip"; 2]);
    assert_eq!(read_all(&opened.image), Ok(opened.image.stored_size()));

    // The same image in Docker's media types keeps its digest on the way.
    let docker = String::from_utf8(image.manifest().bytes.clone()).unwrap();
    let docker = docker
        .replace(
            "oci.image.manifest.v1+json",
            "docker.distribution.manifest.v2+json",
        )
        .replace("oci.image.config.v1+json", "docker.container.image.v1+json")
        .replace(
            "oci.image.layer.v1.tar+gzip",
            "docker.image.rootfs.diff.tar.gzip",
        );
    let source = Registry::start(Faults::default());
    let from = name(&source, "docker");
    registry::write(&image, &from, &options(), bench.context()).unwrap();
    let kind = "application/vnd.docker.distribution.manifest.v2+json";
    let digest = source.put_manifest("docker", "latest", kind, docker.as_bytes());
    let opened = registry::open(&from, &options(), bench.context()).unwrap();
    let to = name(&registry, "docker");
    let written = registry::write(&opened.image, &to, &options(), bench.context()).unwrap();
    assert_eq!(written.manifest.digest.to_string(), digest);
    assert_eq!(registry.manifest("docker", "latest").unwrap().0, kind);
}

#[test]
fn logins() {
    let bench = Bench::new();
    let (registry, image) = filled(&bench);
    let source = name(&registry, "a/b:1");
    let target = name(&registry, "new/x");
    for (login, credential) in [
        (Login::Basic, password()),
        (Login::Bearer, password()),
        (Login::Bearer, Credential::IdentityToken(REFRESH.to_owned())),
    ] {
        registry.set(|faults| faults.login = login.clone());
        registry.forget_requests();
        let error = registry::open(&source, &options(), bench.context()).unwrap_err();
        assert!(
            matches!(error, Error::Denied { .. }),
            "{login:?}: {}",
            chain(error)
        );
        let wrong = Credential::Password {
            username: USER.to_owned(),
            password: "hunter2".to_owned(),
        };
        let wrong = with(registry.host(), wrong);
        let error = chain(registry::open(&source, &wrong, bench.context()).unwrap_err());
        assert!(error.contains("denies access"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");

        registry.forget_requests();
        let right = with(registry.host(), credential);
        let opened = registry::open(&source, &right, bench.context()).unwrap();
        assert_eq!(
            read_all(&opened.image),
            Ok(image.stored_size()),
            "{login:?}"
        );
        let tokens = registry.count("/token");
        assert_eq!(tokens, usize::from(login == Login::Bearer));
        registry::write(&image, &target, &right, bench.context()).unwrap();
    }
}

#[test]
fn tokens_that_expire_are_renewed() {
    let bench = Bench::new();
    let (registry, image) = filled(&bench);
    registry.set(|faults| {
        faults.login = Login::Bearer;
        let layers = image.manifest().layers.iter();
        faults.expiries = layers.map(|layer| layer.digest.to_string()).collect();
    });
    let options = with(registry.host(), password());
    let opened = registry::open(&name(&registry, "a/b:1"), &options, bench.context()).unwrap();
    assert_eq!(read_all(&opened.image), Ok(image.stored_size()));
    assert_eq!(registry.count("/token"), 3);
    registry.forget_requests();
    registry.set(|faults| {
        faults.expiries = ["PUT /v2/fresh/blobs/", "/manifests/"]
            .map(str::to_owned)
            .into()
    });
    let to = name(&registry, "fresh");
    registry::write(&image, &to, &options, bench.context()).unwrap();
    // One to begin with, one for all blobs, one for the manifest.
    assert_eq!(registry.count("/token"), 3);
}

#[test]
fn broken_downloads_are_fetched_on() {
    let bench = Bench::new();
    let (registry, image) = filled(&bench);
    let name = name(&registry, "a/b:1");
    for ignore_range in [false, true] {
        registry.set(|faults| {
            faults.ignore_range = ignore_range;
            faults.broken_downloads = (3, 300_000);
        });
        registry.forget_requests();
        let opened = registry::open(&name, &options(), bench.context()).unwrap();
        assert_eq!(read_all(&opened.image), Ok(image.stored_size()));
        let ranges = registry.requests();
        let ranges: Vec<_> = ranges
            .iter()
            .filter_map(|r| r.headers.get("range"))
            .collect();
        assert_eq!(ranges.len(), 3, "{ranges:?}");
        let second = if ignore_range {
            "bytes=300000-"
        } else {
            "bytes=600000-"
        };
        assert_eq!(ranges[1], second);
    }
    registry.set(|faults| faults.broken_downloads = (u32::MAX, 10));
    let opened = registry::open(&name, &options(), bench.context());
    let error = chain(opened.unwrap_err());
    assert!(error.contains(&image.id().to_string()), "{error}");
}

#[test]
fn passing_failures_are_waited_out() {
    let bench = Bench::new();
    let (registry, image) = filled(&bench);
    let source = name(&registry, "a/b:1");
    registry.set(|faults| {
        faults.answers = vec![
            ("/manifests/1", 500, ""),
            ("/manifests/1", 429, "retry-after: 0"),
            ("/blobs/", 503, ""),
        ];
    });
    let opened = registry::open(&source, &options(), bench.context()).unwrap();
    assert_eq!(read_all(&opened.image), Ok(image.stored_size()));

    registry.set(|faults| faults.answers = vec![("/manifests/1", 429, "retry-after: 86400")]);
    let error = registry::open(&source, &options(), bench.context()).unwrap_err();
    let Error::Remote { status, reason, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(*status, Some(429));
    assert!(reason.contains("as planned"), "{reason}");
}

#[test]
fn broken_uploads_are_resumed() {
    let bench = Bench::new();
    let (registry, image) = filled(&bench);
    for (forget_uploads, to) in [(false, "kept"), (true, "lost")] {
        let registry = Registry::start(Faults {
            broken_uploads: (2, 250_000),
            forget_uploads,
            answers: vec![("POST ", 500, "")],
            ..Faults::default()
        });
        let to = name(&registry, to);
        let written = registry::write(&image, &to, &options(), bench.context()).unwrap();
        let resumed = registry.count("PATCH ");
        assert_eq!(resumed > 0, !forget_uploads, "{:?}", registry.requests());
        let config = image.manifest().config.size;
        assert_eq!(written.bytes, image.stored_size() + config);
        let opened = registry::open(&to, &options(), bench.context()).unwrap();
        assert_eq!(read_all(&opened.image), Ok(image.stored_size()));
    }
    drop(registry);
}

#[test]
fn wrong_bytes_are_refused() {
    let bench = Bench::new();
    let (registry, image) = filled(&bench);
    let source = name(&registry, "a/b:1");
    let opened = registry::open(&source, &options(), bench.context()).unwrap();
    registry.set(|faults| faults.corrupt = true);
    let error = read_all(&opened.image).unwrap_err();
    assert!(error.contains("the bytes have digest"), "{error}");
    // They are not passed on to another registry either.
    let other = Registry::start(Faults::default());
    let to = name(&other, "x");
    let error = registry::write(&opened.image, &to, &options(), bench.context()).unwrap_err();
    assert!(chain(error).contains("the bytes have digest"));
    assert_eq!(other.manifest("x", "latest"), None);

    // A manifest that is not the one asked for.
    let digest = image.digest();
    registry.set(|faults| faults.corrupt = false);
    let kind = "application/vnd.oci.image.manifest.v1+json";
    registry.put_manifest("a/b", &digest.to_string(), kind, b"{}");
    let pinned = Name::parse(&format!("{}/a/b@{digest}", registry.host())).unwrap();
    let error = registry::open(&pinned, &options(), bench.context()).unwrap_err();
    assert!(chain(error).contains("the bytes have digest"));
}

#[test]
fn other_hosts_are_told_no_secrets() {
    let bench = Bench::new();
    let (registry, image) = filled(&bench);
    let storage = Registry::start(Faults::default());
    registry::write(&image, &name(&storage, "a/b"), &options(), bench.context()).unwrap();
    storage.forget_requests();
    for login in [Login::Basic, Login::Bearer] {
        registry.set(|faults| {
            faults.login = login;
            faults.blobs_at = Some(storage.host().to_owned());
        });
        let options = with(registry.host(), password());
        let opened = registry::open(&name(&registry, "a/b:1"), &options, bench.context()).unwrap();
        assert_eq!(read_all(&opened.image), Ok(image.stored_size()));
    }
    let told = storage.requests();
    assert_eq!(told.len(), 6, "{told:?}");
    assert!(
        told.iter()
            .all(|r| !r.headers.contains_key("authorization"))
    );
    assert!(
        registry
            .requests()
            .iter()
            .any(|r| r.headers.contains_key("authorization"))
    );
}

#[test]
fn mirrors_take_turns() {
    let bench = Bench::new();
    let (mirror, image) = filled(&bench);
    let (dead, original) = (dead_host(), Registry::start(Faults::default()));
    registry::write(&image, &name(&original, "b:1"), &options(), bench.context()).unwrap();
    original.forget_requests();
    let mirror_of = |host: &str, base: String, turn| Mirror {
        of_host: host.to_owned(),
        base,
        turn,
    };
    let open = |name: &Name, mirrors: Vec<Mirror>| {
        let options = Options {
            mirrors,
            ..options()
        };
        let opened = registry::open(name, &options, bench.context())?;
        assert_eq!(read_all(&opened.image), Ok(image.stored_size()));
        Ok::<_, Error>(opened)
    };
    // The mirror has it, with its prefix: the original is not asked.
    let wanted = name(&original, "b:1");
    let base = format!("http://{}/a", mirror.host());
    open(&wanted, vec![mirror_of(original.host(), base, Turn::First)]).unwrap();
    assert_eq!(original.requests(), []);
    // The first is dead, the second lacks it.
    let mirrors = vec![
        mirror_of(original.host(), format!("http://{dead}"), Turn::First),
        mirror_of(
            original.host(),
            format!("http://{}/none", mirror.host()),
            Turn::First,
        ),
    ];
    open(&wanted, mirrors).unwrap();
    assert!(original.count("/manifests/") == 1);
    // The original is dead.
    let wanted = Name::parse(&format!("{dead}/b:1")).unwrap();
    let base = format!("{}/a", mirror.host());
    open(&wanted, vec![mirror_of(&dead, base, Turn::Last)]).unwrap();
    // The original does not have it: a later mirror is not asked.
    let wanted = name(&original, "absent");
    let base = format!("{}/a", mirror.host());
    let error = open(&wanted, vec![mirror_of(original.host(), base, Turn::Last)]).unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
}

#[test]
fn failures_name_their_subject() {
    let bench = Bench::new();
    let (registry, _) = filled(&bench);
    let quick = Options {
        retries: 1,
        ..options()
    };
    let fail = |text: &str| {
        let name = Name::parse(text).unwrap();
        chain(registry::open(&name, &quick, bench.context()).unwrap_err())
    };
    let host = registry.host();
    assert_eq!(
        fail(&format!("{host}/a/none")),
        format!("no image `{host}/a/none:latest` in {host}")
    );
    let dead = dead_host();
    let error = fail(&format!("{dead}/a"));
    assert!(
        error.contains(&format!("cannot give the manifest of `{dead}/a:latest`")),
        "{error}"
    );
    assert!(error.contains("refused"), "{error}");
    registry.set(|faults| faults.slow = Duration::from_millis(300));
    let impatient = Options {
        retries: 0,
        timeouts: registry::Timeouts {
            response: Duration::from_millis(50),
            ..registry::Timeouts::default()
        },
        plain_http: vec![host.to_owned()],
        ..options()
    };
    let name = name(&registry, "a/b:1");
    let error = chain(registry::open(&name, &impatient, bench.context()).unwrap_err());
    assert!(error.contains("too long"), "{error}");
}

#[test]
fn indexes_are_resolved_by_platform() {
    let bench = Bench::new();
    let (registry, image) = filled(&bench);
    let entry = |digest: &str, size: usize, architecture: &str| {
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":{size},
            "platform":{{"os":"linux","architecture":"{architecture}"}}}}"#
        )
    };
    let size = image.manifest().bytes.len();
    let own = image.digest().to_string();
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{},{}]}}"#,
        entry(&format!("sha256:{}", "0".repeat(64)), 1, "arm64"),
        entry(&own, size, "amd64"),
    );
    let kind = "application/vnd.oci.image.index.v1+json";
    registry.put_manifest("a/b", "multi", kind, index.as_bytes());
    let multi = name(&registry, "a/b:multi");
    let opened = registry::open(&multi, &options(), bench.context()).unwrap();
    assert_eq!(opened.image.digest(), image.digest());
    // An entry that understates its size, and one for nobody.
    let small = format!(
        r#"{{"schemaVersion":2,"manifests":[{}]}}"#,
        entry(&own, 10, "amd64")
    );
    registry.put_manifest("a/b", "small", kind, small.as_bytes());
    let error = registry::open(&name(&registry, "a/b:small"), &options(), bench.context());
    assert!(matches!(error, Err(Error::TooLarge { .. })));
    let foreign = format!(
        r#"{{"schemaVersion":2,"manifests":[{}]}}"#,
        entry(&own, size, "s390x")
    );
    registry.put_manifest("a/b", "foreign", kind, foreign.as_bytes());
    let error = registry::open(&name(&registry, "a/b:foreign"), &options(), bench.context());
    assert!(matches!(error, Err(Error::NoSuchPlatform { .. })));
}

#[test]
fn bare_names_end_at_their_registry() {
    let bench = Bench::new();
    let (registry, image) = filled(&bench);
    let store = image::Store::open(&bench.path("store")).unwrap();
    let (options, engine) = (options(), image::transport::engine::Options::default());
    let remote = Remote {
        registry: &options,
        engine: &engine,
        store: Some(&store),
    };
    let open = |text: &str| {
        let reference = Reference::parse(text).unwrap();
        transport::open(&reference, remote, bench.context())
    };
    let host = registry.host();
    let opened = open(&format!("{host}/a/b:1")).unwrap();
    assert_eq!(opened.image.digest(), image.digest());
    let error = open(&format!("{host}/a/c")).unwrap_err().to_string();
    assert_eq!(
        error,
        format!("no image `{host}/a/c:latest` in the local store, {host}")
    );
    let error = open("sha256:0123456789").unwrap_err().to_string();
    assert!(
        error.contains("the local store or a container engine"),
        "{error}"
    );
    let reference = Reference::parse(&format!("docker://{host}/a/d")).unwrap();
    transport::write(&image, &reference, None, remote, bench.context()).unwrap();
    assert!(registry.manifest("a/d", "latest").is_some());
    let id = Reference::parse("sha256:0123456789").unwrap();
    let error = transport::write(&image, &id, None, remote, bench.context()).unwrap_err();
    assert!(matches!(error, Error::Reference { .. }), "{error}");
}

#[test]
fn layers_are_mounted_with_a_token_for_both_repositories() {
    let bench = Bench::new();
    let (registry, image) = filled(&bench);
    registry.set(|faults| faults.login = Login::Bearer);
    let options = with(registry.host(), password());
    let opened = registry::open(&name(&registry, "a/b:1"), &options, bench.context()).unwrap();
    let to = name(&registry, "c");
    let written = registry::write(&opened.image, &to, &options, bench.context()).unwrap();
    assert_eq!(written.bytes, image.manifest().config.size);
    let asked = registry.requests();
    let asked = asked
        .iter()
        .filter(|request| request.line.contains("/token"));
    let both =
        |line: &str| line.contains("repository%3Ac%3A") && line.contains("repository%3Aa%2Fb%3A");
    assert!(asked.map(|request| &request.line).any(|line| both(line)));
}

#[test]
fn uploads_that_are_refused_say_why() {
    let bench = Bench::new();
    let (registry, image) = filled(&bench);
    registry.set(|faults| faults.answers = vec![("POST ", 404, ""); 3]);
    let to = name(&registry, "no/project");
    let error = registry::write(&image, &to, &options(), bench.context()).unwrap_err();
    let error = chain(error);
    assert!(error.contains("cannot take blob sha256:"), "{error}");
    assert!(error.contains("as planned (HTTP status 404)"), "{error}");
    registry.set(|faults| faults.answers = vec![("PUT /v2/x/manifests", 403, "")]);
    let to = name(&registry, "x");
    let error = registry::write(&image, &to, &options(), bench.context()).unwrap_err();
    assert!(matches!(error, Error::Denied { .. }), "{error}");
}

/// A loopback port where nobody listens.
fn dead_host() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("127.0.0.1:{}", listener.local_addr().unwrap().port())
}
