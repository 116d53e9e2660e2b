//! The local store: many writers, crashes, and removal of exactly what nothing needs.
#![allow(clippy::unwrap_used, reason = "tests may, their helpers too")]

mod common;

use std::collections::BTreeMap;

use common::Bench;
use image::transport::layout::REF_NAME;
use image::{Image, Name, Store};

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn store(bench: &Bench) -> Store {
    Store::open(&bench.path("store")).unwrap()
}

fn names(store: &Store) -> Vec<String> {
    let entries = store.entries().unwrap().into_iter();
    let mut names: Vec<String> = entries
        .map(|entry| entry.name.map_or("-".to_owned(), |name| name.familiar()))
        .collect();
    names.sort();
    names
}

fn remove(store: &Store, doomed: &str) -> image::store::Removed {
    store
        .remove(|entry| {
            entry
                .annotations
                .get(REF_NAME)
                .is_some_and(|name| name == doomed)
        })
        .unwrap()
}

/// Three images, the first two with their lower layer in common.
fn images(bench: &Bench) -> [Image; 3] {
    [
        &[("base", 5000), ("one", 100)][..],
        &[("base", 5000), ("two", 100)],
        &[("three", 100)],
    ]
    .map(|layers| bench.image(layers))
}

#[test]
fn writers_do_not_lose_each_others_names() {
    let bench = Bench::new();
    let images = images(&bench);
    let store = store(&bench);
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (images, bench) = (&images, &bench);
            scope.spawn(move || {
                // Each opens the store for itself, as a process of its own would.
                let store = self::store(bench);
                for round in 0..6 {
                    let name = name(&format!("w{writer}:r{round}"));
                    let image = &images[(writer + round) % 3];
                    store.add(image, &name, bench.context()).unwrap();
                }
            });
        }
    });
    assert_eq!(store.entries().unwrap().len(), 24);
    assert_eq!(testkit::check::layout(store.layout().root()), 24);
}

#[test]
fn removing_waits_for_writers_and_takes_nothing_of_theirs() {
    let bench = Bench::new();
    let [one, two, _] = images(&bench);
    let store = store(&bench);
    store.add(&one, &name("one"), bench.context()).unwrap();
    std::thread::scope(|scope| {
        let adding = scope.spawn(|| {
            for round in 0..10 {
                let name = name(&format!("two:{round}"));
                self::store(&bench)
                    .add(&two, &name, bench.context())
                    .unwrap();
            }
        });
        for _ in 0..10 {
            remove(&store, "nothing");
        }
        adding.join().unwrap();
    });
    remove(&store, "one:latest");
    assert_eq!(store.entries().unwrap().len(), 10);
    testkit::check::layout(store.layout().root());
}

#[test]
fn shared_blobs_stay_until_the_last_image_goes() {
    let bench = Bench::new();
    let [one, two, three] = images(&bench);
    let store = store(&bench);
    for (image, text) in [
        (&one, "one"),
        (&two, "two"),
        (&three, "three"),
        (&one, "again"),
    ] {
        store.add(image, &name(text), bench.context()).unwrap();
    }
    let removed = remove(&store, "one:latest");
    assert_eq!(
        (removed.names, removed.blobs.len()),
        (vec!["one:latest".to_owned()], 0)
    );
    let removed = remove(&store, "again:latest");
    // Its own layer, its config and its manifest.
    assert_eq!(removed.blobs.len(), 3);
    assert_eq!(testkit::check::layout(store.layout().root()), 2);
    let removed = remove(&store, "two:latest");
    assert_eq!(removed.blobs.len(), 4, "and now the common layer too");
    assert_eq!(names(&store), ["three:latest"]);
    assert_eq!(testkit::check::layout(store.layout().root()), 1);
}

#[test]
fn what_layers_contain_is_noted_and_believed_as_far_as_checksums_agree() {
    let bench = Bench::new();
    let [image, ..] = images(&bench);
    let store = store(&bench);
    store.add(&image, &name("one"), bench.context()).unwrap();
    let stored = store
        .find(&name("one"), &bench.platform)
        .unwrap()
        .expect("it was added");
    let note = |layer: &image::Layer<'_>| {
        let hex = layer.descriptor.digest.hex();
        store.cache().join(format!("contains-{hex}"))
    };
    let notes = || -> Vec<Option<String>> {
        let notes = stored.layers().map(|layer| note(&layer));
        notes
            .map(|note| std::fs::read_to_string(note).ok())
            .collect()
    };
    let load = || {
        let options = image::LoadOptions {
            spool: &bench.spool,
            limits: layer::Limits::default(),
            threads: 2,
            progress: &image::Silent,
        };
        image::FileSystem::load(&stored, options).map(drop)
    };
    assert_eq!(notes(), [None, None], "nobody has looked into them yet");
    load().unwrap();
    let found: Vec<Option<String>> = stored
        .layers()
        .map(|layer| Some(layer.diff_id.to_string()))
        .collect();
    assert_eq!(notes(), found);
    load().unwrap();

    // A note that says something else is not believed, and corrected.
    let lower = stored.layers().next().unwrap();
    let lie = image::Digest::of(b"a lie").to_string();
    std::fs::write(note(&lower), lie).unwrap();
    load().unwrap();
    assert_eq!(notes(), found);

    // Neither are bytes that have changed since.
    let blob = store.layout().blob_path(&lower.descriptor.digest);
    let mut bytes = std::fs::read(&blob).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&blob, bytes).unwrap();
    let refused = load().unwrap_err();
    assert!(matches!(refused, image::Error::Blob { .. }), "{refused}");

    remove(&store, "one:latest");
    assert_eq!(notes(), [None, None]);
}

#[test]
fn an_image_that_lost_its_name_is_swept() {
    let bench = Bench::new();
    let [one, two, _] = images(&bench);
    let store = store(&bench);
    store.add(&one, &name("app"), bench.context()).unwrap();
    store.add(&two, &name("app"), bench.context()).unwrap();
    assert_eq!(names(&store), ["app:latest"]);
    assert_eq!(remove(&store, "nothing").blobs.len(), 3);
    assert_eq!(testkit::check::layout(store.layout().root()), 1);
}

#[test]
fn what_an_entry_holds_stays_with_it() {
    let bench = Bench::new();
    let [original, slim, other] = images(&bench);
    let store = store(&bench);
    let add = |image: &Image, text: &str| {
        store.add(image, &name(text), bench.context()).unwrap();
        store
            .find(&name(text), bench.context().platform)
            .unwrap()
            .unwrap()
    };
    let original = add(&original, "original");
    let slim = add(&slim, "slim");
    let holds = [(
        image::store::HOLDS.to_owned(),
        original.digest().to_string(),
    )];
    store
        .tag(&slim, &name("slim"), BTreeMap::from(holds))
        .unwrap();
    // Another image takes its name, and a removal sweeps.
    add(&other, "original");
    add(&other, "other");
    remove(&store, "other:latest");
    let held = store.held(&original.digest()).unwrap().unwrap();
    assert_eq!(
        (held.digest(), held.id()),
        (original.digest(), original.id())
    );
    // By its own name it goes even so.
    add(&held, "again");
    remove(&store, "again:latest");
    assert!(store.held(&original.digest()).unwrap().is_none());
}

#[test]
fn leftovers_of_killed_processes_are_swept() {
    let bench = Bench::new();
    let [one, ..] = images(&bench);
    let store = store(&bench);
    store.add(&one, &name("one"), bench.context()).unwrap();
    let blobs = store.layout().blobs();
    std::fs::write(blobs.join(".tmp-killed"), vec![0; 1000]).unwrap();
    std::fs::write(store.layout().root().join(".tmp-index"), "{").unwrap();
    let orphan = store
        .layout()
        .put_bytes(b"written, but never named")
        .unwrap()
        .0;
    let removed = remove(&store, "nothing");
    assert_eq!((removed.blobs, removed.bytes), (vec![orphan], 1024 + 1));
    assert!(!store.layout().root().join(".tmp-index").exists());
    testkit::check::layout(store.layout().root());
}

#[test]
fn a_damaged_image_can_be_removed_and_spoils_no_other() {
    let bench = Bench::new();
    let [one, _, three] = images(&bench);
    let store = store(&bench);
    store.add(&one, &name("one"), bench.context()).unwrap();
    store.add(&three, &name("three"), bench.context()).unwrap();
    let damaged = store.find(&name("one"), &bench.platform).unwrap().unwrap();
    std::fs::write(store.layout().blob_path(&damaged.digest()), "damaged").unwrap();
    // Nothing says any more what its blobs are: nothing can be swept.
    let error = store
        .remove(|entry| entry.digest != damaged.digest())
        .unwrap_err();
    assert!(
        error.to_string().starts_with("cannot read blob sha256:"),
        "{error}"
    );
    assert_eq!(
        names(&store),
        ["one:latest", "three:latest"],
        "and nothing is"
    );
    remove(&store, "one:latest");
    assert_eq!(names(&store), ["three:latest"]);
    testkit::check::layout(store.layout().root());
}

#[test]
fn a_damaged_blob_is_mended_by_writing_it_again() {
    let bench = Bench::new();
    let [one, ..] = images(&bench);
    let store = store(&bench);
    store.add(&one, &name("one"), bench.context()).unwrap();
    let layer = one.manifest().layers[0].clone();
    std::fs::write(store.layout().blob_path(&layer.digest), "short").unwrap();
    store.add(&one, &name("one"), bench.context()).unwrap();
    testkit::check::layout(store.layout().root());
}

#[test]
fn images_are_found_by_name_digest_and_id() {
    let bench = Bench::new();
    let [one, two, _] = images(&bench);
    let store = store(&bench);
    store.add(&one, &name("app:1"), bench.context()).unwrap();
    store.tag(&two, &name("app:2"), BTreeMap::new()).unwrap();
    store.add(&two, &name("app:2"), bench.context()).unwrap();
    let find = |text: &str| {
        let found = store.find(&name(text), &bench.platform).unwrap();
        found.map(|image| image.id())
    };
    assert_eq!(find("app:1"), Some(one.id()));
    assert_eq!(find("app:2"), Some(two.id()));
    assert_eq!(find("app:3"), None);
    assert_eq!(find(&format!("app@{}", two.digest())), Some(two.id()));
    let id = |text: &str| {
        let found = store.find_id(text, &bench.platform);
        found
            .map(|image| image.map(|image| image.id()))
            .map_err(common::chain)
    };
    assert_eq!(id(&one.id().hex()[..12]), Ok(Some(one.id())));
    assert_eq!(id("ffffffffffff"), Ok(None));
    assert!(
        id("")
            .unwrap_err()
            .contains(" holds several images: sha256:"),
        "all begin like that"
    );
}
