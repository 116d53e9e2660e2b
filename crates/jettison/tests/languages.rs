//! What stays of applications in Python and for Node.js: each test compares the whole
//! list of files that stay below the directories of modules.

mod kept;

use jettison::closure::{Options, Watched};
use kept::{base, program};
use testkit::elf;
use testkit::tree::Builder;

/// A Python 3.11 with a part of its standard library.
fn python() -> Builder {
    let interpreter = program().data(b"\0PYTHONPATH\0").build();
    base()
        .executable("usr/bin/python3.11", interpreter)
        .symlink("usr/bin/python3", "python3.11")
        .file("usr/lib/python3.11/os.py", "import sys\n")
        .file("usr/lib/python3.11/__pycache__/os.cpython-311.pyc", "x")
        .file("usr/lib/python3.11/__pycache__/os.cpython-39.pyc", "x")
        .file("usr/lib/python3.11/test/test_os.py", "import os\n")
        .file(
            "usr/lib/python3.11/tkinter/__init__.py",
            "import _tkinter\n",
        )
        .file("usr/lib/python3.11/turtle.py", "import tkinter\n")
        .file("usr/lib/python3.11/config-3.11/libpython3.11.a", "x")
}

fn node() -> Builder {
    base().executable(
        "usr/bin/node",
        program().data(b"\0NODE_PENDING_DEPRECATION\0").build(),
    )
}

/// Adds a distribution: its files with their text, relative to the site.
fn distribution(
    image: Builder,
    site: &str,
    name: &str,
    metadata: &str,
    files: &[(&str, &str)],
) -> Builder {
    let info = format!("{name}-1.0.dist-info");
    let mut record = format!("{info}/METADATA,,\n{info}/RECORD,,\n");
    let mut image = image.file(
        &format!("{site}/{info}/METADATA"),
        format!("Name: {name}\n{metadata}\n"),
    );
    for (path, text) in files {
        record.push_str(&format!("{path},,\n"));
        image = image.file(&format!("{site}/{path}"), text);
    }
    image.file(&format!("{site}/{info}/RECORD"), record)
}

fn package(image: Builder, directory: &str, manifest: &str, files: &[(&str, &str)]) -> Builder {
    let image = image.file(&format!("{directory}/package.json"), manifest);
    files.iter().fold(image, |image, (path, text)| {
        image.file(&format!("{directory}/{path}"), text)
    })
}

/// Returns the kept files and links that have `part` in their path, without directories.
fn kept(image: &Builder, config: &str, part: &str) -> Vec<String> {
    kept_of_kind(image, config, part, false)
}

/// Paths of kept directories, or of other files.
fn kept_of_kind(image: &Builder, config: &str, part: &str, directories: bool) -> Vec<String> {
    let tars = vec![image.tar()];
    let searched = kept::search(tars, &[], config, &Options::default(), Watched::Never);
    let (files, closure) = searched.expect("the image can be slimmed");
    let tree = &files.tree;
    tree.walk(tree.root())
        .filter(|node| tree.is_directory(*node) == directories && closure.graph.keeps(*node))
        .map(|node| String::from_utf8_lossy(&tree.absolute(node)).into_owned())
        .filter(|path| path.contains(part))
        .collect()
}

#[test]
fn distributions_that_were_asked_for_stay_and_tools_of_development_go() {
    let testing = "Classifier: Topic :: Software Development :: Testing";
    let image = application("import json", &["driver", "pip", "dependency"]);
    let image = distribution(image, SITE, "tester", testing, &[("tester.py", "")]);
    let asked_for = ["driver", "pip", "tester"];
    let image = asked_for.iter().fold(image, |image, name| {
        image.file(&format!("{SITE}/{name}-1.0.dist-info/REQUESTED"), "")
    });
    assert_eq!(distributions(&image, RUN), ["driver"]);
}

#[test]
fn a_program_that_setuptools_wrote_has_its_distribution() {
    let site = "usr/lib/python3/dist-packages";
    let text = "#!/usr/bin/python3\n__requires__ = 'tool.kit==1.0'\n\
        load_entry_point('tool.kit==1.0', 'console_scripts', 'run')()\n";
    let image = python()
        .executable("usr/bin/run", text)
        .file(&format!("{site}/toolkit/__init__.py"), "")
        .file(
            &format!("{site}/tool_kit-1.0.egg-info/PKG-INFO"),
            "Name: tool.kit\n",
        )
        .file(
            &format!("{site}/tool_kit-1.0.egg-info/top_level.txt"),
            "toolkit\n",
        );
    assert_eq!(
        kept(&image, r#"{"Cmd":["run"]}"#, "dist-packages"),
        [
            format!("/{site}/tool_kit-1.0.egg-info/PKG-INFO"),
            format!("/{site}/tool_kit-1.0.egg-info/top_level.txt"),
            format!("/{site}/toolkit/__init__.py"),
        ]
    );
}

const SITE: &str = "usr/lib/python3.11/site-packages";

/// Returns the names of the kept distributions.
fn distributions(image: &Builder, config: &str) -> Vec<String> {
    let found = kept(image, config, ".dist-info/METADATA");
    let name = |path: String| {
        path.rsplit('/')
            .nth(1)?
            .strip_suffix("-1.0.dist-info")
            .map(str::to_owned)
    };
    found.into_iter().filter_map(name).collect()
}

/// An application with one source, and distributions that import nothing.
fn application(source: &str, names: &[&str]) -> Builder {
    let image = python().file("app/main.py", source);
    names.iter().fold(image, |image, name| {
        distribution(image, SITE, name, "", &[(&format!("{name}.py"), "")])
    })
}

const RUN: &str = r#"{"Cmd":["python3","/app/main.py"],"WorkingDir":"/app"}"#;

#[test]
fn the_library_stays_but_for_what_few_need() {
    let image = python().file("app/main.py", "import os\n");
    assert_eq!(
        kept(&image, RUN, "python3.11"),
        [
            "/usr/bin/python3.11",
            "/usr/lib/python3.11/__pycache__/os.cpython-311.pyc",
            "/usr/lib/python3.11/os.py",
        ]
    );
    let image = python().file("app/main.py", "def f():\n  import turtle\n");
    assert_eq!(
        kept(&image, RUN, "python3.11"),
        [
            "/usr/bin/python3.11",
            "/usr/lib/python3.11/__pycache__/os.cpython-311.pyc",
            "/usr/lib/python3.11/os.py",
            "/usr/lib/python3.11/tkinter/__init__.py",
            "/usr/lib/python3.11/turtle.py",
        ]
    );
}

#[test]
fn modules_stay_that_could_be_run_by_something_else() {
    let image = application("import cgi, base64", &[])
        .executable(
            "usr/lib/python3.11/cgi.py",
            "#! /usr/local/bin/python\nimport os\n",
        )
        .executable(
            "usr/lib/python3.11/base64.py",
            "#! /usr/bin/python3.12\nimport os\n",
        )
        .executable("usr/bin/python3.12", program().build());
    let library = kept(&image, RUN, "usr/lib/python3.11/");
    assert!(library.contains(&"/usr/lib/python3.11/cgi.py".to_owned()));
    assert!(library.contains(&"/usr/lib/python3.11/base64.py".to_owned()));
    assert_eq!(kept(&image, RUN, "python3.12"), [""; 0]);
}

#[test]
fn a_distribution_stays_whole_without_tests_and_stubs() {
    let files = [
        ("a/__init__.py", "from . import core\n"),
        ("a/core.py", ""),
        ("a/never_imported.py", ""),
        ("a/data/x.json", "{}"),
        ("a/locale/de/a.mo", "x"),
        ("a/locale/de/a.po", "x"),
        ("a/locale/de/read.po", "x"),
        ("a/core.pyi", ""),
        ("a/include/a.h", ""),
        ("a/tests/test_core.py", "import other\n"),
        ("a/fast.cpython-311-x86_64-linux-gnu.so", "x"),
        ("a/fast.cpython-39-x86_64-linux-gnu.so", "x"),
    ];
    let image = python().file("app/main.py", "import a\n");
    let image = distribution(image, SITE, "a", "", &files);
    let image = distribution(image, SITE, "other", "", &[("other.py", "")])
        .file(&format!("{SITE}/a/__pycache__/core.cpython-311.pyc"), "x")
        .file(
            &format!("{SITE}/a/__pycache__/core.cpython-311.opt-1.pyc"),
            "x",
        )
        .file(&format!("{SITE}/a/__pycache__/gone.cpython-311.pyc"), "x");
    let shown: Vec<String> = kept(&image, RUN, "site-packages")
        .into_iter()
        .map(|path| {
            path.split("site-packages/")
                .nth(1)
                .unwrap_or_default()
                .to_owned()
        })
        .collect();
    assert_eq!(
        shown,
        [
            "a/__init__.py",
            "a/__pycache__/core.cpython-311.pyc",
            "a/core.py",
            "a/data/x.json",
            "a/fast.cpython-311-x86_64-linux-gnu.so",
            "a/locale/de/a.mo",
            "a/locale/de/read.po",
            "a/never_imported.py",
            "a-1.0.dist-info/METADATA",
            "a-1.0.dist-info/RECORD",
        ]
    );
}

#[test]
fn tests_that_the_rest_imports_stay() {
    let files = [
        ("a/__init__.py", "from a.tests.runner import x\n"),
        ("a/tests/runner.py", ""),
        ("a/tests/test_a.py", ""),
    ];
    let image = distribution(
        python().file("app/main.py", "import a\n"),
        SITE,
        "a",
        "",
        &files,
    );
    assert_eq!(kept(&image, RUN, "/tests/").len(), 2);
    // Not those that only the help for tests imports.
    let image = image.file(&format!("{SITE}/a/__init__.py"), "").file(
        &format!("{SITE}/a/testing/case.py"),
        "import a.tests.runner",
    );
    assert_eq!(kept(&image, RUN, "/tests/").len(), 0);
}

#[test]
fn what_is_imported_by_whatever_way_stays() {
    for (source, want) in [
        ("import a", vec!["a"]),
        ("def f():\n  from a import x", vec!["a"]),
        ("try:\n  import a\nexcept ImportError: pass", vec!["a"]),
        ("importlib.import_module('a')", vec!["a"]),
        ("ENGINE = 'a.backends:Thing'", vec!["a"]),
        ("create('c+b://host/db')", vec!["b", "c"]),
        (
            "'''a is not imported'''\n# import b\nx = 'import c'",
            vec![],
        ),
        ("if TYPE_CHECKING:\n  import a", vec![]),
    ] {
        let image = application(source, &["a", "b", "c", "pip"]);
        assert_eq!(distributions(&image, RUN), want, "{source}");
    }
}

#[test]
fn what_settings_and_the_command_name_stays() {
    let image = application("", &["gevent", "gunicorn", "pip", "proj"])
        .file("app/settings.yaml", "worker_class: gevent\n")
        .file("app/requirements.txt", "pip\n");
    let config = r#"{"Cmd":["python3","-m","gunicorn"],"Env":["SETTINGS=proj.settings"],"WorkingDir":"/app"}"#;
    assert_eq!(
        distributions(&image, config),
        ["gevent", "gunicorn", "proj"]
    );
}

#[test]
fn requirements_stay_unless_their_condition_does_not_hold() {
    let image = application("import a", &["b", "c", "d", "e"]);
    let metadata = "Requires-Dist: B>=1\nRequires-Dist: c; extra == 'more'\n\
        Requires-Dist: d; sys_platform == 'win32'\nRequires-Dist: not-there\n";
    let image = distribution(image, SITE, "a", metadata, &[("a.py", "")]);
    assert_eq!(distributions(&image, RUN), ["a", "b"]);
    let image = distribution(
        image,
        SITE,
        "f",
        "Requires-Dist: a[more]\n",
        &[("f.py", "")],
    )
    .file("app/other.py", "import f\n");
    assert_eq!(distributions(&image, RUN), ["a", "b", "c", "f"]);
}

#[test]
fn plug_ins_stay_for_who_looks_them_up() {
    let image = application("import host", &["idle"]);
    let host = "from importlib.metadata import entry_points\nentry_points(group='host.plugins')\n";
    let image = distribution(image, SITE, "host", "", &[("host.py", host)]);
    let points = (
        "plug-1.0.dist-info/entry_points.txt",
        "[host.plugins]\nx = plug:x\n",
    );
    let image = distribution(image, SITE, "plug", "", &[("plug.py", ""), points]);
    assert_eq!(distributions(&image, RUN), ["host", "plug"]);
}

#[test]
fn a_plug_in_in_c_imports_what_it_names() {
    let plug_in = |imports: &str| {
        let image = application("import os", &["loop", "idle"])
            .executable("usr/bin/server", program().data(b"\0plugin.so\0").build());
        let plug_in = testkit::elf::Builder::library()
            .import(imports)
            .data(b"\0loop.patch\0idle hours\0")
            .build();
        image.file("usr/lib/plugin.so", plug_in)
    };
    let config = r#"{"Entrypoint":["server"],"Cmd":["python3","/app/main.py"]}"#;
    let image = plug_in("PyObject_CallObject");
    assert_eq!(distributions(&image, config), ["loop"]);
    assert_eq!(distributions(&plug_in("puts"), config), [""; 0]);
}

#[test]
fn plug_ins_of_another_environment_are_not_seen() {
    let venv = "opt/venv/lib/python3.11/site-packages";
    let host = "from importlib.metadata import entry_points\nentry_points(group='host.plugins')\n";
    let points = "[host.plugins]\nx = plug:x\n";
    let plug = |image, site, name| {
        let path = format!("{name}-1.0.dist-info/entry_points.txt");
        distribution(image, site, name, "", &[("plug.py", ""), (&path, points)])
    };
    let image = python()
        .file("app/main.py", "import host\n")
        .file("app/other.py", "import os\n")
        .file(
            "opt/venv/pyvenv.cfg",
            "include-system-site-packages = false\n",
        )
        .symlink("opt/venv/bin/python3", "/usr/bin/python3");
    let image = distribution(image, venv, "host", "", &[("host.py", host)]);
    let image = plug(plug(image, venv, "near"), SITE, "far");
    // The interpreter outside runs as well.
    let config = r#"{"Cmd":["/opt/venv/bin/python3","/app/main.py"],"WorkingDir":"/app",
        "Healthcheck":{"Test":["CMD","python3","/app/other.py"]}}"#;
    assert_eq!(distributions(&image, config), ["host", "near"]);
}

#[test]
fn tools_of_development_are_not_kept_by_third_parties() {
    let topic = "Classifier: Topic :: Software Development :: Testing\n";
    let image = application("import a", &[]);
    let image = distribution(
        image,
        SITE,
        "a",
        "",
        &[("a.py", "def f():\n  import checker\n")],
    );
    let image = distribution(image, SITE, "checker", topic, &[("checker.py", "")]);
    assert_eq!(distributions(&image, RUN), ["a"]);
    let image = image.file("app/main.py", "import a, checker\n");
    assert_eq!(distributions(&image, RUN), ["a", "checker"]);
}

#[test]
fn tools_for_packages_stay_for_who_requires_them_at_run_time() {
    let topic = "Classifier: Topic :: System :: Archiving :: Packaging\n";
    let tried = "def f():\n  try:\n    import packer\n  except ImportError: pass\n";
    for (source, requires, want) in [
        // It imports that when it is built.
        ("def f():\n  import packer\n", "", vec!["a"]),
        (tried, "", vec!["a"]),
        (tried, "Requires-Dist: packer\n", vec!["a", "packer"]),
        ("import pkg_resources\n", "", vec!["a", "packer"]),
    ] {
        let image = application("import a", &[]);
        let image = distribution(image, SITE, "a", requires, &[("a.py", source)]);
        let files = [("packer.py", ""), ("pkg_resources/__init__.py", "")];
        let image = distribution(image, SITE, "packer", topic, &files);
        assert_eq!(distributions(&image, RUN), want, "{source}");
        // The application may import what it wants.
        let image = image.file("app/main.py", format!("import a\n{source}"));
        assert_eq!(distributions(&image, RUN), ["a", "packer"], "{source}");
    }
}

#[test]
fn name_spaces_are_taken_apart() {
    let image = application("from google.b import x\n", &[]);
    let image = distribution(image, SITE, "google-a", "", &[("google/a/__init__.py", "")]);
    let image = distribution(image, SITE, "google-b", "", &[("google/b/__init__.py", "")]);
    assert_eq!(distributions(&image, RUN), ["google-b"]);
}

#[test]
fn a_virtual_environment_hides_what_is_installed_outside() {
    let venv = "opt/venv/lib/python3.11/site-packages";
    let image = python().file("app/main.py", "import a\n");
    let image = distribution(image, SITE, "a", "", &[("a.py", "")]);
    let image = distribution(image, venv, "a", "", &[("a.py", "")]);
    let image = distribution(
        image,
        venv,
        "pip",
        "",
        &[("pip.py", ""), ("../../../bin/pip", "x")],
    )
    .file(
        "opt/venv/pyvenv.cfg",
        "include-system-site-packages = false\n",
    )
    .symlink("opt/venv/bin/python3", "/usr/bin/python3");
    let config = r#"{"Cmd":["/opt/venv/bin/python3","/app/main.py"],"WorkingDir":"/app"}"#;
    assert_eq!(
        kept(&image, config, "/a.py"),
        ["/opt/venv/lib/python3.11/site-packages/a.py"]
    );
    assert_eq!(kept(&image, config, "pip"), [""; 0]);
    assert_eq!(kept(&image, config, "pyvenv"), ["/opt/venv/pyvenv.cfg"]);
    assert_eq!(
        kept(&image, RUN, "/a.py"),
        ["/usr/lib/python3.11/site-packages/a.py"]
    );
}

#[test]
fn nothing_is_left_of_a_distribution_that_goes() {
    let image = python()
        .executable("opt/venv/bin/run", "#!/opt/venv/bin/python3\nimport a\n")
        .symlink("opt/venv/bin/python3", "/usr/bin/python3.11")
        .file("opt/venv/pyvenv.cfg", "home = /usr/bin\n");
    let site = "opt/venv/lib/python3.11/site-packages";
    let image = distribution(image, site, "a", "", &[("a/__init__.py", "")]);
    let image = distribution(image, site, "gone", "", &[("gone/inner/x.py", "")])
        .directory(&format!("{site}/a/empty"))
        .directory(&format!("{site}/gone/empty"));
    let run = r#"{"Cmd":["/opt/venv/bin/run"]}"#;
    assert_eq!(
        kept_of_kind(&image, run, "site-packages/", true),
        [
            "/opt/venv/lib/python3.11/site-packages/a",
            "/opt/venv/lib/python3.11/site-packages/a/empty",
            "/opt/venv/lib/python3.11/site-packages/a-1.0.dist-info",
        ]
    );
}

#[test]
fn added_directories_and_hooks_are_read() {
    let image = application("import editable\n", &["pip"])
        .file(&format!("{SITE}/x.pth"), "/src/lib\nimport hook\n")
        .file(&format!("{SITE}/hook.py"), "")
        .file(&format!("{SITE}/by_hand.py"), "")
        .file("src/lib/editable.py", "import by_hand\n");
    let found = kept(&image, RUN, ".p");
    for path in [
        "/src/lib/editable.py",
        &format!("/{SITE}/x.pth"),
        &format!("/{SITE}/hook.py"),
        &format!("/{SITE}/by_hand.py"),
    ] {
        assert!(found.iter().any(|kept| kept == path), "{path} in {found:?}");
    }
    assert!(!found.iter().any(|path| path.contains("pip")), "{found:?}");
}

#[test]
fn names_of_another_interpreter_lead_to_no_hook() {
    let image = |source: &str| {
        let hook = "import sys\nis_other = '__other__' in sys.builtin_module_names\n\
            BEFORE = 'lost'\n";
        let image = python().file("app/main.py", source);
        distribution(
            image,
            SITE,
            "hooking",
            "",
            &[
                ("hooking/__init__.py", hook),
                ("hooking.pth", "import hooking\n"),
            ],
        )
    };
    assert_eq!(distributions(&image("import lost\n"), RUN), ["hooking"]);
    let none: [&str; 0] = [];
    assert_eq!(
        distributions(&image("from __other__ import x\n"), RUN),
        none
    );
}

#[test]
fn programs_and_libraries_that_sources_name_stay() {
    let source = "import subprocess, ctypes.util\nsubprocess.run(['tool', '-x'])\n\
        ctypes.util.find_library('magic')\nopen('/srv/data/x.db')\n";
    let library = elf::Builder::library().build();
    let image = application(source, &[])
        .executable("usr/bin/tool", program().build())
        .executable("usr/bin/other", program().build())
        .executable("usr/sbin/ldconfig", program().build())
        .symlink("sbin", "usr/sbin")
        .file("usr/lib/libmagic.so.1", library.clone())
        .file("usr/lib/libother.so.1", library)
        .file("srv/data/x.db", "x");
    let found = kept(&image, RUN, "");
    for (path, want) in [
        ("/usr/bin/tool", true),
        ("/usr/bin/other", false),
        ("/usr/sbin/ldconfig", true),
        ("/usr/lib/libmagic.so.1", true),
        ("/usr/lib/libother.so.1", false),
        ("/srv/data/x.db", true),
    ] {
        assert_eq!(found.iter().any(|kept| kept == path), want, "{path}");
    }
}

#[test]
fn programs_that_only_the_installed_starts_stay_with_their_distribution() {
    let environment = |source: &str, text: &str| {
        let image = python().file("app/main.py", source);
        let image = distribution(image, SITE, "aa", "", &[("aa.py", text)]);
        let script = "#!/usr/bin/python3\nimport tool\n";
        distribution(
            image,
            SITE,
            "tool",
            "",
            &[("tool.py", ""), ("../../../bin/tool", script)],
        )
        .executable("usr/bin/tool", script)
    };
    let runs = "import subprocess\nsubprocess.run(['tool'])\n";
    assert_eq!(
        distributions(&environment("import aa\n", runs), RUN),
        ["aa"]
    );
    assert_eq!(distributions(&environment(runs, ""), RUN), ["tool"]);
}

#[test]
fn modules_stay_where_nothing_runs_them() {
    let image = base().executable("app/server", program().build());
    let image = distribution(image, "app/site-packages", "a", "", &[("a.py", "")]);
    let image = package(image, "app/node_modules/b", "{}", &[("b.css", "")]);
    let config = r#"{"Cmd":["/app/server"],"WorkingDir":"/app"}"#;
    assert_eq!(kept(&image, config, "a.py").len(), 1);
    assert_eq!(kept(&image, config, "b.css").len(), 1);
}

const SERVE: &str = r#"{"Cmd":["node","server.js"],"WorkingDir":"/app"}"#;

/// Returns the names of the kept packages.
fn packages(image: &Builder, config: &str) -> Vec<String> {
    let found = kept(image, config, "node_modules/");
    let manifests = found
        .into_iter()
        .filter(|path| path.ends_with("/package.json"));
    manifests
        .filter_map(|path| {
            path.strip_suffix("/package.json")?
                .rsplit("node_modules/")
                .next()
                .map(str::to_owned)
        })
        .collect()
}

#[test]
fn what_a_manifest_declares_and_sources_require_stays() {
    let manifest = r#"{"dependencies":{"declared":"1"},"devDependencies":{"dev":"1","used":"1"}}"#;
    let image = node()
        .file("app/package.json", manifest)
        .file("app/server.js", "require('./lib/a'); // require('dev')\n")
        .file(
            "app/lib/a.js",
            "const u = require('used'); import('undeclared');\n",
        )
        .file("app/webpack.config.js", "require('dev')\n");
    let image = package(
        image,
        "app/node_modules/declared",
        r#"{"dependencies":{"deep":"1"}}"#,
        &[("index.js", "")],
    );
    let image = package(
        image,
        "app/node_modules/deep",
        r#"{"devDependencies":{"dev":"1"}}"#,
        &[("bench.js", "require('dev')")],
    );
    let image = ["dev", "used", "undeclared", "unused"]
        .iter()
        .fold(image, |image, name| {
            package(
                image,
                &format!("app/node_modules/{name}"),
                "{}",
                &[("index.js", "")],
            )
        });
    assert_eq!(
        packages(&image, SERVE),
        ["declared", "deep", "undeclared", "used"]
    );
}

#[test]
fn the_name_of_an_option_is_no_reason_for_what_is_only_for_developing() {
    let image = |text: &str, manifest: &str| {
        let image = node()
            .file("app/package.json", manifest)
            .file("app/server.js", "require('parser')\n");
        let image = package(
            image,
            "app/node_modules/parser",
            "{}",
            &[("index.js", text)],
        );
        package(image, "app/node_modules/dialect", "{}", &[("index.js", "")])
    };
    let develops = r#"{"dependencies":{"parser":"1"},"devDependencies":{"dialect":"1"}}"#;
    let option = "this.hasPlugin('dialect')";
    assert_eq!(packages(&image(option, develops), SERVE), ["parser"]);
    let both = ["dialect", "parser"];
    assert_eq!(
        packages(&image("require('dialect')", develops), SERVE),
        both
    );
    let undeclared = r#"{"dependencies":{"parser":"1"}}"#;
    assert_eq!(packages(&image(option, undeclared), SERVE), both);
}

#[test]
fn a_package_stays_whole_without_tests_types_and_documents() {
    let manifest = r#"{"dependencies":{"a":"1"}}"#;
    let files = [
        ("index.js", "require('./lib/' + x)"),
        ("lib/x.js", ""),
        ("lib/x.d.ts", ""),
        ("lib/x.js.map", ""),
        ("doc/code.js", ""),
        ("README.md", ""),
        ("test/a.js", ""),
        ("build/Release/a.node", "x"),
        ("build/Release/obj.target/a.o", "x"),
        ("build-tmp-napi-v3/Release/a.node", "x"),
        ("prebuilds/linux-x64/a.node", "x"),
        ("prebuilds/darwin-x64/a.node", "x"),
        ("prebuilds/linux-arm64/a.node", "x"),
        ("src/a.cc", "x"),
    ];
    let image = node()
        .file("app/package.json", manifest)
        .file("app/server.js", "");
    let image = package(image, "app/node_modules/a", "{}", &files)
        .executable("usr/bin/python3.9", program().build())
        .symlink(
            "app/node_modules/a/build/node_gyp_bins/python3",
            "/usr/bin/python3.9",
        )
        .symlink("app/node_modules/.bin/a", "../a/index.js");
    assert_eq!(kept(&image, SERVE, "usr/bin/python"), [""; 0]);
    let shown: Vec<String> = kept(&image, SERVE, "node_modules")
        .into_iter()
        .map(|path| path.replace("/app/node_modules/", ""))
        .collect();
    assert_eq!(
        shown,
        [
            ".bin/a",
            "a/build/Release/a.node",
            "a/doc/code.js",
            "a/index.js",
            "a/lib/x.js",
            "a/package.json",
            "a/prebuilds/linux-x64/a.node",
        ]
    );
}

#[test]
fn declarations_of_types_load_nothing() {
    let image = |server: &str| {
        let image = node()
            .file(
                "app/package.json",
                r#"{"dependencies":{"a":"1"},"devDependencies":{}}"#,
            )
            .file("app/server.js", server);
        let declares = [
            ("index.js", ""),
            ("index.d.ts", "import { Token } from \"compiler\";"),
        ];
        let image = package(image, "app/node_modules/a", "{}", &declares);
        package(
            image,
            "app/node_modules/compiler",
            "{}",
            &[("index.js", "")],
        )
    };
    let without = image("require('a')");
    assert_eq!(kept(&without, SERVE, "node_modules/compiler"), [""; 0]);
    // Who passes declarations over does not read them; the compiler does.
    let passing = image("require('a'); const ending = 'x.d.ts';");
    assert_eq!(kept(&passing, SERVE, "node_modules/compiler"), [""; 0]);
    assert_eq!(kept(&passing, SERVE, ".d.ts"), [""; 0]);
    let compiling = image("require('a'); require('typescript')");
    let compiler = r#"{"name":"typescript"}"#;
    let compiling = package(
        compiling,
        "app/node_modules/typescript",
        compiler,
        &[("index.js", "const ending = 'x.d.ts';")],
    );
    assert_eq!(
        kept(&compiling, SERVE, "node_modules/compiler"),
        [
            "/app/node_modules/compiler/index.js",
            "/app/node_modules/compiler/package.json"
        ]
    );
    // So does what has the compiler in it, which knows its libraries by name.
    let bundled = image("require('a'); const libraries = ['lib.es5.d.ts'];");
    assert_eq!(
        kept(&bundled, SERVE, "d.ts"),
        ["/app/node_modules/a/index.d.ts"]
    );
    // A package that names its declarations may hand them out.
    let own = package(
        node().file("app/server.js", "require('a')"),
        "app/node_modules/a",
        "{}",
        &[
            ("index.js", "exports.types = __dirname + '/index.d.ts'"),
            ("index.d.ts", "import { Token } from \"compiler\";"),
        ],
    );
    assert_eq!(
        kept(&own, SERVE, "d.ts"),
        ["/app/node_modules/a/index.d.ts"]
    );
}

#[test]
fn what_tools_of_its_developers_are_told_loads_nothing_of_a_package() {
    let image = node()
        .file("app/package.json", r#"{"dependencies":{"a":"1"}}"#)
        .file("app/server.js", "require('a')");
    let files = [
        ("index.js", ""),
        ("tsconfig.json", r#"{"exclude": ["test/code.js"]}"#),
        (".eslintrc.json", r#"{"ignore": ["test/code.js"]}"#),
        ("test/code.js", "require('tool')"),
    ];
    let image = package(image, "app/node_modules/a", "{}", &files);
    let image = package(image, "app/node_modules/tool", "{}", &[("index.js", "")]);
    assert_eq!(kept(&image, SERVE, "tool"), [""; 0]);
    assert_eq!(kept(&image, SERVE, "test/"), [""; 0]);
}

#[test]
fn a_shell_stays_for_who_runs_lines_by_it() {
    let image = |source: &str| {
        let image = node()
            .file("app/package.json", r#"{"dependencies":{"a":"1"}}"#)
            .file("app/server.js", "require('a')");
        package(image, "app/node_modules/a", "{}", &[("index.js", source)])
    };
    let runs = "const { spawn } = require('child_process');\nconst shell = windows ? 'cmd' : 'sh';\n\
                module.exports = line => spawn(shell, ['-c', line]);\n";
    assert_eq!(kept(&image(runs), SERVE, "bin/sh"), ["/bin/sh"]);
    let mentions = "module.exports = { shell: 'sh' };\n";
    assert_eq!(kept(&image(mentions), SERVE, "bin/sh"), [""; 0]);
}

#[test]
fn what_others_start_stays_if_it_is_small_or_was_asked_for() {
    let source = "const { exec } = require('node:child_process');\nmodule.exports = how => how === 1 ? \
                  exec('small -x') : how === 2 ? exec('large | cat') : exec('own');\n";
    let image = |automatic: &[&str]| {
        let names = ["small", "large"];
        let stanza = |name: &&str| {
            format!(
                "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n"
            )
        };
        let state =
            |name: &&str| format!("Package: {name}\nArchitecture: amd64\nAuto-Installed: 1\n\n");
        let large = || program().data("x".repeat(4 << 20)).build();
        let image = node()
            .file("app/package.json", r#"{"dependencies":{"a":"1"}}"#)
            .file("app/server.js", "require('a')")
            .executable("usr/bin/small", program().build())
            .executable("usr/bin/large", large())
            .executable("usr/bin/own", large())
            .file(
                "var/lib/dpkg/status",
                names.iter().map(stanza).collect::<String>(),
            )
            .file("var/lib/dpkg/info/small.list", "/usr/bin/small\n")
            .file("var/lib/dpkg/info/large.list", "/usr/bin/large\n")
            .file(
                "var/lib/apt/extended_states",
                automatic.iter().map(state).collect::<String>(),
            );
        package(image, "app/node_modules/a", "{}", &[("index.js", source)])
    };
    let started = |automatic: &[&str]| {
        let mut kept = kept(&image(automatic), SERVE, "usr/bin/");
        kept.retain(|path| !path.ends_with("node"));
        kept
    };
    assert_eq!(
        started(&["small", "large"]),
        ["/usr/bin/own", "/usr/bin/small"]
    );
    assert_eq!(
        started(&["small"]),
        ["/usr/bin/large", "/usr/bin/own", "/usr/bin/small"]
    );
}

#[test]
fn scripts_of_a_manifest_are_run_by_their_name() {
    let manifest = r#"{"scripts":{"start":"runner server.js","test":"checker"}}"#;
    let image = node()
        .executable("usr/bin/npm", "#!/usr/bin/node\n")
        .file("app/package.json", manifest)
        .file("app/server.js", "");
    let image = package(image, "app/node_modules/runner", "{}", &[]);
    let image = package(image, "app/node_modules/checker", "{}", &[])
        .executable("app/node_modules/runner/cli.js", "#!/usr/bin/node\n")
        .executable("app/node_modules/checker/cli.js", "#!/usr/bin/node\n")
        .symlink("app/node_modules/.bin/runner", "../runner/cli.js")
        .symlink("app/node_modules/.bin/checker", "../checker/cli.js");
    let config = r#"{"Cmd":["npm","start"],"WorkingDir":"/app"}"#;
    assert_eq!(packages(&image, config), ["runner"]);
}

#[test]
fn links_lead_to_packages_and_workspaces() {
    let store = "app/node_modules/.pnpm/a@1/node_modules";
    let image = node()
        .file(
            "app/package.json",
            r#"{"dependencies":{"a":"1","own":"1"}}"#,
        )
        .file("app/server.js", "");
    let image = package(
        image,
        &format!("{store}/a"),
        r#"{"dependencies":{"b":"1"}}"#,
        &[],
    );
    let image = package(
        image,
        "app/node_modules/.pnpm/b@1/node_modules/b",
        "{}",
        &[],
    );
    let image = package(
        image,
        "app/node_modules/.pnpm/c@1/node_modules/c",
        "{}",
        &[],
    );
    let image = package(image, "packages/own", "{}", &[("index.js", "")])
        .symlink("app/node_modules/a", ".pnpm/a@1/node_modules/a")
        .symlink(&format!("{store}/b"), "../../b@1/node_modules/b")
        .symlink("app/node_modules/own", "../../packages/own");
    assert_eq!(packages(&image, SERVE), ["a", "b"]);
    assert_eq!(kept(&image, SERVE, "packages/own").len(), 2);
    assert_eq!(
        kept(&image, SERVE, "node_modules/")
            .into_iter()
            .filter(|path| !path.ends_with("package.json"))
            .collect::<Vec<_>>(),
        [
            format!("/{store}/b"),
            "/app/node_modules/a".to_owned(),
            "/app/node_modules/own".to_owned()
        ]
    );
}

#[test]
fn a_directory_of_packages_may_be_a_link() {
    let top = "usr/share/nodejs";
    let image = node()
        .file("app/package.json", r#"{"dependencies":{"a":"1"}}"#)
        .file("app/server.js", "");
    let image = package(
        image,
        &format!("{top}/a"),
        r#"{"dependencies":{"b":"1"}}"#,
        &[],
    )
    .symlink(&format!("{top}/a/node_modules"), "../c/node_modules");
    let image = package(image, &format!("{top}/c/node_modules/b"), "{}", &[]);
    assert_eq!(
        kept(&image, SERVE, "usr/share/nodejs"),
        [
            "/usr/share/nodejs/a/node_modules",
            "/usr/share/nodejs/a/package.json",
            "/usr/share/nodejs/c/node_modules/b/package.json",
        ]
    );
}

#[test]
fn what_the_distribution_has_is_for_who_declares_it() {
    let image = |manifest: &str| {
        let image = node()
            .file("app/package.json", r#"{"dependencies":{"a":"1"}}"#)
            .file("app/server.js", "require('a')")
            .file(
                "var/lib/dpkg/status",
                "Package: tool\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n",
            )
            .file(
                "var/lib/dpkg/info/tool.list",
                "/usr/share/nodejs/tool/package.json\n",
            );
        let check = [("install/check.js", "require('tool')")];
        let image = package(image, "app/node_modules/a", manifest, &check);
        package(image, "usr/share/nodejs/tool", "{}", &[])
    };
    assert_eq!(kept(&image("{}"), SERVE, "nodejs"), [""; 0]);
    assert_eq!(
        kept(&image(r#"{"dependencies":{"tool":"1"}}"#), SERVE, "nodejs"),
        ["/usr/share/nodejs/tool/package.json"]
    );
}

#[test]
fn package_managers_go_and_plug_ins_of_global_programs_stay() {
    let image = node().file("app/server.js", "");
    let top = "usr/local/lib/node_modules";
    let image = package(image, &format!("{top}/npm"), "{}", &[]);
    let image = package(image, &format!("{top}/lint"), "{}", &[]);
    let image = package(
        image,
        &format!("{top}/lint-plugin"),
        r#"{"peerDependencies":{"lint":"1"}}"#,
        &[],
    )
    .executable(&format!("{top}/lint/cli.js"), "#!/usr/bin/node\n")
    .symlink("usr/local/bin/lint", "../lib/node_modules/lint/cli.js");
    assert_eq!(packages(&image, SERVE), [""; 0]);
    assert_eq!(
        packages(&image, r#"{"Cmd":["lint"]}"#),
        ["lint", "lint-plugin"]
    );
}

#[test]
fn addons_of_other_platforms_go() {
    let manifest = r#"{"optionalDependencies":{"@x/linux":"1","@x/mac":"1"}}"#;
    let image = node()
        .file("app/package.json", manifest)
        .file("app/server.js", "");
    let image = package(
        image,
        "app/node_modules/@x/linux",
        r#"{"os":["linux"],"cpu":["x64"]}"#,
        &[],
    );
    let image = package(
        image,
        "app/node_modules/@x/mac",
        r#"{"os":["darwin"]}"#,
        &[],
    );
    assert_eq!(packages(&image, SERVE), ["@x/linux"]);
}

#[test]
fn a_word_names_no_module_where_python_came_along() {
    let status = |name: &str, fields: &str| {
        format!("Package: {name}\nStatus: install ok installed\nVersion: 1\n{fields}\n")
    };
    let image = |command: &str| {
        let library = elf::Builder::library().soname("libpython3.11.so.1.0");
        let plug_in = elf::Builder::library().needed("libpython3.11.so.1.0");
        let image = python()
            .executable("app/start", format!("#!/bin/sh\n{command}\ntool --now\n"))
            .executable("usr/bin/serve", program().build())
            .file("usr/lib/serve/plug.so", plug_in.build())
            .file(
                "usr/lib/libpython3.11.so.1.0",
                library.data(b"\0PYTHONPATH\0").build(),
            )
            .file(
                "var/lib/dpkg/status",
                status("dash", "Essential: yes\n") + &status("serve", ""),
            )
            .file("var/lib/dpkg/info/dash.list", "/bin/sh\n")
            .file(
                "var/lib/dpkg/info/serve.list",
                "/usr/bin/serve\n/usr/lib/serve/plug.so\n",
            );
        distribution(image, SITE, "tool", "", &[("tool/__init__.py", "")])
    };
    let start = r#"{"Cmd":["/app/start"]}"#;
    let stays = |command: &str, path: &str| !kept(&image(command), start, path).is_empty();
    assert!(stays("serve", "/usr/lib/libpython3.11.so.1.0"));
    assert!(!stays("serve", "tool/__init__.py"));
    assert!(stays("python3 serve.py", "tool/__init__.py"));
}
