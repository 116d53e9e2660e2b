//! `jettison analyze`.

mod common;

use serde_json::Value;
use testkit::cli::Environment;
use testkit::tree::Builder;

/// Something of every kind of waste, in sizes that tell them apart.
fn wasteful() -> Environment {
    let environment = common::environment();
    let bytes = |size: usize, seed: u8| -> Vec<u8> {
        (0..size)
            .map(|at| (at as u8).wrapping_mul(31).wrapping_add(seed))
            .collect()
    };
    let base = Builder::new()
        .executable("bin/sh", bytes(10_000, 1))
        .file("etc/passwd", "root:x:0:0::/:/bin/sh\n")
        .file("srv/app/model", bytes(50_000, 2))
        .file("srv/app/code", bytes(5_000, 3))
        .file("usr/share/doc/sh/manual", bytes(3_000, 4))
        .file("usr/share/doc/sh/copyright", bytes(900, 5))
        .file("usr/share/locale/de/LC_MESSAGES/sh.mo", bytes(800, 6))
        .file("usr/include/sh.h", bytes(700, 7))
        .tar();
    let made = Builder::new()
        .file("tmp/left", bytes(20_000, 8))
        .file("var/log/made.log", bytes(600, 9))
        .file("var/cache/apt/pkgcache.bin", bytes(7_000, 10))
        .file("srv/big/one", bytes(30_000, 11))
        .file("srv/big/two", bytes(40_000, 12))
        .file("srv/copy", bytes(5_000, 3))
        .file("srv/.git/HEAD", bytes(100, 13))
        .file("srv/lib.py", bytes(150, 14))
        .file("srv/__pycache__/lib.cpython-311.pyc", bytes(250, 15))
        .file("srv/link", bytes(6_000, 17))
        .hard_link("srv/link2", "srv/link")
        .tar();
    let changed = Builder::new()
        .file("srv/app/model", bytes(50_000, 2))
        .mode(0o600)
        .file("srv/app/code", bytes(4_000, 16))
        .whiteout("srv/big")
        .whiteout("srv/link")
        .whiteout("tmp/left")
        .file("tmp/right", bytes(20_000, 8))
        .tar();
    let layers = [
        ("/bin/sh -c #(nop) ADD file:1 in / ", base),
        ("RUN /bin/sh -c make all # buildkit", made),
        (
            "/bin/sh -c chmod 600 /srv/app/model && rm -r /srv/big",
            changed,
        ),
    ];
    environment.write("waste.tar", common::archive("waste:1", &layers));
    environment
}

fn json(environment: &Environment, arguments: &[&str]) -> Value {
    let mut all = vec!["analyze", "--json", "docker-archive:waste.tar"];
    all.extend(arguments);
    serde_json::from_str(&environment.run(&all).stdout).expect("it prints JSON")
}

#[test]
fn every_byte_has_one_cause() {
    let analysis = json(&wasteful(), &[]);
    let causes: Vec<(String, u64, u64)> = analysis["causes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cause| {
            let number = |key: &str| cause[key].as_u64().unwrap();
            let name = cause["cause"].as_str().unwrap().to_owned();
            (name, number("bytes"), number("files"))
        })
        .collect();
    let want = [
        ("deleted", 70_000, 2),
        ("moved", 20_000, 1),
        ("metadata-only", 50_000, 1),
        ("overwritten", 5_000, 1),
        ("version-control", 100, 1),
        ("cache", 7_000, 1),
        ("log", 600, 1),
        ("temporary", 20_000, 1),
        ("documentation", 3_000, 1),
        ("locale", 800, 1),
        ("development", 700, 1),
        ("byte-code", 250, 1),
    ];
    let want: Vec<_> = want
        .map(|(c, bytes, files)| (c.to_owned(), bytes, files))
        .into();
    assert_eq!(causes, want);
    let number = |key: &str| analysis[key].as_u64().unwrap();
    let sum = |hidden: bool| -> u64 {
        let of = want.iter().take(4).map(|cause| cause.1).sum::<u64>();
        let all = want.iter().map(|cause| cause.1).sum::<u64>();
        if hidden { of } else { all }
    };
    assert_eq!(number("wasted"), sum(true));
    assert_eq!(number("reclaimable"), sum(false));
    let sizes = &analysis["sizes"];
    assert_eq!(
        sizes["visible"].as_u64().unwrap() + number("wasted"),
        sizes["unpacked"].as_u64().unwrap()
    );
    let layers: Vec<[u64; 5]> = analysis["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| {
            ["added", "changed", "removed", "hidden", "hides"]
                .map(|key| layer[key].as_u64().unwrap())
        })
        .collect();
    assert_eq!(
        layers,
        [
            [8, 0, 0, 55_000, 0],
            [11, 0, 0, 90_000, 0],
            [1, 2, 4, 0, 145_000]
        ]
    );
}

#[test]
fn compressed_bytes_are_those_of_the_part_that_would_go() {
    let environment = common::environment();
    // Nothing can be made of the noise, and nearly nothing remains of the rest.
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    })
    .take(1_000_000)
    .collect();
    let base = Builder::new()
        .file("srv/noise", &noise)
        .file("srv/plain", vec![b'.'; 3_000_000])
        .file("var/log/x", vec![b'-'; 2_000_000])
        .tar();
    let upper = Builder::new().whiteout("srv/noise").tar();
    let layers = [("ADD base", base), ("RUN rm", upper)];
    environment.write("app.tar", common::archive("app:1", &layers));
    let compressed = |image: &str| -> Vec<Option<u64>> {
        let output = environment.run(&["analyze", "--json", image]).done();
        let analysis: Value = serde_json::from_str(&output.stdout).unwrap();
        let causes = analysis["causes"].as_array().unwrap();
        let names: Vec<&Value> = causes.iter().map(|cause| &cause["cause"]).collect();
        assert_eq!(names, ["deleted", "log"]);
        for cause in causes {
            assert_eq!(cause["compressed"], cause["places"][0]["compressed"]);
        }
        causes
            .iter()
            .map(|cause| cause["compressed"].as_u64())
            .collect()
    };
    assert_eq!(compressed("docker-archive:app.tar"), [None, None]);
    for how in ["gzip", "zstd"] {
        let output = format!("oci:{how}");
        let copy = [
            "copy",
            "docker-archive:app.tar",
            &output,
            "--recompress",
            how,
        ];
        let _ = environment.run(&copy).done();
        let found = compressed(&output);
        let [Some(deleted), Some(log)] = found[..] else {
            panic!("{how}: {found:?}");
        };
        // As far as the marks are apart, a file may take of its neighbours.
        assert!((930_000..=1_010_000).contains(&deleted), "{how}: {deleted}");
        assert!(log < 10_000, "{how}: {log}");
    }
}

#[test]
fn the_summary_names_cause_place_instruction_and_remedy() {
    let environment = wasteful();
    let summary = environment
        .run(&["analyze", "docker-archive:waste.tar", "--top", "1"])
        .done();
    let text = summary.to_string();
    for part in [
        "UNPACKED   COMPRESSED   VISIBLE   EFFICIENCY   WASTED   RECLAIMABLE",
        "254kB      -            109kB     42.8%        145kB    177kB",
        "1       109kB      -            11      0         0         90.0kB   RUN make all",
        "  70.0kB  removed by a later layer, still shipped (2 files)\n            70.0kB  /srv/big/  by 1: RUN make all\n          save it: remove it in the RUN",
        "  50.0kB  copied to change owner, mode or time (1 file)\n            50.0kB  /srv/app/  by 0: ADD file:1 in /\n",
        "FILE             SIZE     PACKAGE   BROUGHT BY\n/srv/app/model   50.0kB   -         2: RUN chmod 600 /srv/app/model && rm -r /srv/big\n",
    ] {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
}

#[test]
fn the_second_time_is_remembered_and_the_same() {
    let environment = wasteful();
    let arguments = ["analyze", "--json", "docker-archive:waste.tar"];
    let first = environment.run(&arguments).done();
    let cached = environment
        .files()
        .lines()
        .filter(|l| l.contains("analyze-"))
        .count();
    assert_eq!(cached, 1, "{}", environment.files());
    assert_eq!(environment.run(&arguments).done(), first);
    let anew = [&arguments[..], &["--no-cache"]].concat();
    assert_eq!(environment.run(&anew).done(), first);
}

#[test]
fn gates_say_what_is_broken() {
    let environment = wasteful();
    let gate = |flags: &[&str]| {
        let mut arguments = vec!["-q", "analyze", "docker-archive:waste.tar", "--top", "0"];
        arguments.extend(flags);
        let outcome = environment.run(&arguments);
        let at = outcome.stdout.find("RULE").unwrap_or(outcome.stdout.len());
        (outcome.stdout[at..].to_owned(), outcome.code)
    };
    let (text, code) = gate(&[
        "--max-wasted",
        "145kB",
        "--min-efficiency",
        "40%",
        "--max-cause",
        "cache=7kB",
    ]);
    assert_eq!(
        (text.as_str(), code),
        (
            "\
RULE              ALLOWED   ACTUAL   RESULT
max-wasted        145kB     145kB    kept
max-cause cache   7.00kB    7.00kB   kept
min-efficiency    0.4000    0.4281   kept
",
            0
        )
    );
    let (text, code) = gate(&["--max-size", "200kB"]);
    assert_eq!(
        (text.as_str(), code),
        (
            "RULE       ALLOWED   ACTUAL   RESULT\nmax-size   200kB     254kB    broken\n",
            1
        )
    );
    environment.write(
        ".dive-ci",
        "rules:\n  lowestEfficiency: 0.4\n  highestUserWastedPercent: disabled\n",
    );
    assert_eq!(gate(&["--ci"]).1, 0);
    environment.write("strict", "rules:\n  highestWastedBytes: 1KB\n");
    let (text, code) = gate(&["--ci-config", "strict"]);
    assert_eq!(code, 1);
    assert!(
        text.contains("max-wasted        1.00kB    145kB    broken"),
        "{text}"
    );
    assert!(text.contains("max-wasted: 70.0kB  /srv/big/ (removed by a later layer, still shipped)  by 1: RUN make all\n"), "{text}");
    environment.write("wrong", "rules:\n  lowestEfficiency: 95%\n");
    let wrong = environment.run(&[
        "analyze",
        "docker-archive:waste.tar",
        "--ci-config",
        "wrong",
    ]);
    assert_eq!(
        wrong.to_string(),
        "--- stderr\nerror: `wrong` is no file of rules: line 2: lowestEfficiency is a share from 0 to 1, not `95%`\n\
         hint: the rules are lowestEfficiency, highestWastedBytes, highestUserWastedPercent\n--- exit 2\n"
    );
}

#[test]
fn growth_is_named_against_an_image_and_against_saved_json() {
    let environment = wasteful();
    let small = Builder::new().executable("bin/sh", "x").tar();
    environment.write(
        "small.tar",
        common::archive("small:1", &[("ADD sh /", small)]),
    );
    // As it is: what a run says is shown with digests cut short.
    let saved = environment
        .command(&["analyze", "--json", "docker-archive:small.tar"])
        .output()
        .unwrap();
    environment.write("small.json", saved.stdout);
    for old in ["docker-archive:small.tar", "small.json"] {
        let grown = environment.run(&[
            "analyze",
            "docker-archive:waste.tar",
            "--against",
            old,
            "--top",
            "2",
        ]);
        assert_eq!(grown.code, 1);
        assert_eq!(
            grown.stderr,
            format!(
                "docker-archive:waste.tar is 254kB larger than {old}, 254kB more than it may be\n\
                     hint: what grew is listed above; allow it with --max-growth SIZE\n"
            )
        );
        let at = grown.stdout.find("Against").unwrap();
        assert_eq!(
            &grown.stdout[at..],
            format!(
                "\
Against {old}: +254kB unpacked, +145kB wasted

INSTRUCTION                                      CHANGE    BEFORE   AFTER
RUN make all                                     +109kB    0B       109kB
RUN chmod 600 /srv/app/model && rm -r /srv/big   +74.0kB   0B       74.0kB

DIRECTORY   CHANGE    BEFORE   AFTER
/           +109kB    1B       109kB
/srv        +65.5kB   0B       65.5kB
"
            )
        );
    }
    let allowed = [
        "analyze",
        "docker-archive:waste.tar",
        "--against",
        "small.json",
        "--max-growth",
        "1MB",
    ];
    assert_eq!(environment.run(&allowed).code, 0);
}

#[test]
fn page_and_log_hold_what_names_there_are() {
    let environment = common::environment();
    let tar = Builder::new().file("tmp/</script><b>x", "1234").tar();
    environment.write(
        "odd.tar",
        common::archive("odd:1", &[("RUN echo '</script>'", tar)]),
    );
    let arguments = [
        "analyze",
        "docker-archive:odd.tar",
        "--html",
        "page.html",
        "--sarif",
        "log.sarif",
    ];
    let _ = environment.run(&arguments).done();
    let page = std::fs::read_to_string(environment.path("page.html")).unwrap();
    assert_eq!(
        page.matches("</script>").count(),
        2,
        "a name ended a script"
    );
    let start = page.find("id=\"data\">").unwrap() + 10;
    let data: Value =
        serde_json::from_str(page[start..].split("</script>").next().unwrap()).unwrap();
    assert_eq!(data["files"][0]["path"], "/tmp/</script><b>x");
    for foreign in ["http://", "https://", "src=", "url("] {
        let own = page.replace("http://www.w3.org/2000/svg", "");
        assert!(
            !own.contains(foreign),
            "the page fetches something: {foreign}"
        );
    }
    let log: Value =
        serde_json::from_slice(&std::fs::read(environment.path("log.sarif")).unwrap()).unwrap();
    let run = &log["runs"][0];
    assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "temporary");
    assert_eq!(run["results"][0]["ruleId"], "temporary");
    assert_eq!(run["results"][0]["properties"]["bytes"], 4);
    let location =
        &run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(location, "tmp/%3C/");
}
