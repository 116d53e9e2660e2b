//! The file system of a container.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use sandbox::{Mount, Network, Spec, User, Writes, default_hosts, remove_tree, spawn};
use support::{Root, output, root, run};

/// Every path below a directory.
fn listing(directory: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            found.insert(path.strip_prefix(directory).unwrap().display().to_string());
            if path.is_dir() && !path.is_symlink() {
                waiting.push(path);
            }
        }
    }
    found
}

#[test]
fn proc_dev_and_sys_are_those_of_docker() {
    let Some(root) = root() else { return };
    let seen = root.output(
        "ls /dev; cat /proc/1/comm; echo x > /dev/null; stat -c %t:%T /dev/null /dev/urandom; \
         ls /sys | grep -c class; readlink /dev/fd; \
         stat -c %a /dev /dev/shm /dev/pts /tmp; cat /proc/interrupts",
    );
    let expected = "core\nfd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\n\
        urandom\nzero\nsh\n1:3\n1:9\n1\n/proc/self/fd\n755\n1777\n755\n1777\n";
    assert_eq!(seen, expected);
    for refused in [
        "echo 0 > /proc/sys/kernel/pid_max",
        "mkdir /sys/fs/cgroup/x",
    ] {
        let (status, _, errors) = run(&root.script(refused)).unwrap();
        assert!(!status.success(), "{refused}");
        assert!(errors.contains("Read-only file system"), "{errors}");
    }
    assert_eq!(
        root.output("cat /proc/sys/net/ipv4/ip_unprivileged_port_start"),
        "0\n"
    );
}

#[test]
fn only_the_containers_own_mounts_are_left() {
    let Some(root) = root() else { return };
    let mounts = root.output("cat /proc/self/mountinfo");
    for line in mounts.lines() {
        let target = line.split(' ').nth(4).unwrap();
        let known = [
            "/",
            "/tmp",
            "/run",
            "/proc",
            "/dev",
            "/sys",
            "/etc/hostname",
        ];
        let below = ["/proc/", "/dev/", "/sys/"];
        assert!(
            known.contains(&target) || below.iter().any(|start| target.starts_with(start)),
            "{line}"
        );
    }
}

#[test]
fn scratch_directories_show_what_the_image_has_and_lose_what_is_written() {
    let Some(root) = root() else { return };
    for writes in [Writes::Memory, Writes::InPlace] {
        let script = "cat /run/link; stat -c '%a %u' /run/app; ls -d /run/app/deep; \
            echo new > /run/app/file; cat /run/link; touch /tmp/x /run/y";
        let seen = output(&Spec {
            writes,
            ..root.script(script)
        });
        assert_eq!(seen, "content of a file\n2775 0\n/run/app/deep\nnew\n");
    }
    assert_eq!(
        fs::read_to_string(root.path().join("run/link")).unwrap(),
        "content of a file\n"
    );
    assert!(!root.path().join("tmp/x").exists());
    assert!(!root.path().join("run/y").exists());
    let none = Spec {
        scratch: Vec::new(),
        writes: Writes::InPlace,
        ..root.script("touch /run/y")
    };
    output(&none);
    assert!(root.path().join("run/y").exists());
}

#[test]
fn files_of_etc_are_put_over_those_of_the_image() {
    let Some(root) = root() else { return };
    root.write("etc/hosts", "1.2.3.4 image\n");
    let spec = |script: &str, writes| Spec {
        hostname: "ship".to_owned(),
        hosts: Some(default_hosts("ship")),
        resolv_conf: Some(b"nameserver 10.9.8.7\n".to_vec()),
        writes,
        ..root.script(script)
    };
    let before = listing(&root.path());
    let script = "hostname; cat /etc/hostname /etc/resolv.conf; grep -c ship /etc/hosts";
    assert_eq!(
        output(&spec(script, Writes::Memory)),
        "ship\nship\nnameserver 10.9.8.7\n1\n"
    );
    // Nothing is added to a root that is used in place.
    let seen = output(&spec("grep -c ship /etc/hosts; ls /etc", Writes::InPlace));
    assert_eq!(seen, "1\ngroup\nhosts\npasswd\n");
    assert_eq!(listing(&root.path()), before);
    assert_eq!(
        fs::read_to_string(root.path().join("etc/hosts")).unwrap(),
        "1.2.3.4 image\n"
    );
}

#[test]
fn a_dangling_link_to_a_file_of_etc_gets_its_target() {
    let Some(root) = root() else { return };
    symlink(
        "../run/resolve/stub.conf",
        root.path().join("etc/resolv.conf"),
    )
    .unwrap();
    let spec = Spec {
        resolv_conf: Some(b"nameserver 10.9.8.7\n".to_vec()),
        ..root.script("cat /etc/resolv.conf; readlink /etc/resolv.conf")
    };
    assert_eq!(
        output(&spec),
        "nameserver 10.9.8.7\n../run/resolve/stub.conf\n"
    );
}

#[test]
fn changes_go_where_they_should() {
    let Some(root) = root() else { return };
    let script = "echo changed > /etc/passwd; rm /etc/group; mkdir -p /new/dir; cat /etc/passwd";
    let before = listing(&root.path());
    assert_eq!(output(&root.script(script)), "changed\n");
    assert_eq!(listing(&root.path()), before);

    // A name with everything that mount options give a meaning to.
    let changes = root.beside("a, b:c\\d");
    let spec = |script: &str| Spec {
        writes: Writes::Directory(changes.clone()),
        ..root.script(script)
    };
    assert_eq!(output(&spec(script)), "changed\n");
    assert_eq!(listing(&root.path()), before);
    let upper: Vec<_> = listing(&changes.join("upper")).into_iter().collect();
    assert_eq!(upper, ["etc", "etc/group", "etc/passwd", "new", "new/dir"]);
    // A second command sees what the first has done.
    assert_eq!(
        output(&spec("cat /etc/passwd; ls /etc")),
        "changed\nhostname\nhosts\npasswd\nresolv.conf\n"
    );
    remove_tree(&root.ids, &changes).unwrap();
    assert!(!changes.exists());

    let spec = Spec {
        writes: Writes::InPlace,
        ..root.script(script)
    };
    assert_eq!(output(&spec), "changed\n");
    assert!(root.path().join("new/dir").exists());
}

#[test]
fn an_empty_image_gets_its_mount_points() {
    let Some(root) = root() else { return };
    let bare = root.beside("bare");
    fs::copy(root.path().join("bin/busybox"), bare.join("sh")).unwrap();
    let spec = |writes, script: &str| Spec {
        root: bare.clone(),
        argv: support::strings(&["/sh", "-c", script]),
        writes,
        ..root.spec(&[])
    };
    let seen = output(&spec(
        Writes::Memory,
        "echo /*; echo /etc/*; echo $$ > /dev/null",
    ));
    assert_eq!(
        seen,
        "/dev /etc /proc /sh /sys\n/etc/hostname /etc/hosts /etc/resolv.conf\n"
    );
    assert_eq!(output(&spec(Writes::InPlace, "echo /*")), "/sh\n");
    assert_eq!(listing(&bare).len(), 1);
}

#[test]
fn mounts_are_where_they_were_asked_for() {
    let Some(root) = root() else { return };
    let shared = root.beside("shared");
    fs::write(shared.join("file"), "from the host\n").unwrap();
    let bind = |source: &Path, target: &str, read_only| Mount::Bind {
        source: source.to_owned(),
        target: target.into(),
        read_only,
    };
    let mounts = vec![
        bind(&shared, "/data/rw", false),
        bind(&shared, "/data/ro", true),
        bind(&shared.join("file"), "/etc/passwd", true),
        bind(&shared.join("file"), "/run/deep/er/file", true),
        Mount::Tmpfs {
            target: "/tmp".into(),
            mode: 0o700,
            size: Some(1 << 20),
        },
    ];
    let before = listing(&root.path());
    let script = "cat /data/ro/file /etc/passwd /run/deep/er/file; echo x > /data/rw/new; \
        stat -c %a /tmp; echo y > /data/ro/new";
    let (status, seen, errors) = run(&Spec {
        mounts,
        ..root.script(script)
    })
    .unwrap();
    assert_eq!(
        seen, "from the host\nfrom the host\nfrom the host\n700\n",
        "{errors}"
    );
    assert!(
        !status.success() && errors.contains("Read-only file system"),
        "{errors}"
    );
    assert_eq!(fs::read_to_string(shared.join("new")).unwrap(), "x\n");
    assert_eq!(listing(&root.path()), before);

    let mounts = vec![bind(&shared, "/nowhere", false)];
    let spec = Spec {
        mounts,
        writes: Writes::InPlace,
        ..root.script("true")
    };
    assert_eq!(
        spawn(&spec).unwrap_err().to_string(),
        "cannot mount on `/nowhere`"
    );
}

#[test]
fn a_read_only_root_refuses_writes_and_scratch_does_not() {
    let Some(root) = root() else { return };
    for writes in [Writes::Memory, Writes::InPlace] {
        let script = "echo x > /tmp/x && echo x > /run/x && echo x > /dev/shm/x && echo x > /etc/x";
        let spec = Spec {
            read_only: true,
            writes,
            ..root.script(script)
        };
        let (status, _, errors) = run(&spec).unwrap();
        assert!(!status.success());
        assert!(errors.contains("/etc/x: Read-only file system"), "{errors}");
    }
}

#[test]
fn links_of_the_image_do_not_lead_out_of_it() {
    let Some(root) = root() else { return };
    let outside = root.beside("outside");
    let climb = Path::new("../../../../../../..").join(outside.strip_prefix("/").unwrap());
    let links = [
        ("run", outside.join("run")),
        ("dev", climb.join("dev")),
        ("data", climb.join("data")),
        ("etc/hosts", outside.join("hosts")),
        ("etc/hostname", climb.join("hostname")),
        ("etc/resolv.conf", climb.join("deep/er/resolv.conf")),
    ];
    for (name, target) in links {
        let _ = fs::remove_dir_all(root.path().join(name));
        symlink(target, root.path().join(name)).unwrap();
    }
    for name in ["run", "dev", "data"] {
        fs::create_dir(outside.join(name)).unwrap();
    }
    let before = listing(&outside);
    let target = "/data/below".into();
    let spec = Spec {
        hosts: Some(b"x".to_vec()),
        resolv_conf: Some(b"x".to_vec()),
        cwd: "/data/work".into(),
        ..root.script("echo $$")
    };
    let mount = Mount::Tmpfs {
        target,
        mode: 0o755,
        size: None,
    };
    // Whether such an image runs does not matter.
    for writes in [Writes::Memory, Writes::InPlace] {
        for mounts in [Vec::new(), vec![mount.clone()]] {
            let _ = run(&Spec {
                mounts,
                writes: writes.clone(),
                ..spec.clone()
            });
            assert_eq!(listing(&outside), before);
        }
    }
}

#[test]
fn files_belong_to_whom_the_image_says() {
    let Some(root) = root() else { return };
    let own = |path: &str, uid| sandbox::Ownership {
        path: path.into(),
        uid,
        gid: uid,
        mode: Some(0o2750),
        capability: None,
    };
    let entries = [own("work", 999), own("/run/app", 33), own("etc/passwd", 0)];
    sandbox::apply_ownership(&root.ids, &root.path(), entries).unwrap();
    let user = User {
        uid: 999,
        gid: 999,
        groups: Vec::new(),
    };
    let script = "stat -c '%a %u %g' /work /run/app /etc/passwd";
    let seen = root.output(script);
    if root.has_many_ids() {
        assert_eq!(seen, "2750 999 999\n2750 33 33\n2750 0 0\n");
        output(&Spec {
            user,
            ..root.script("touch /work/mine")
        });
    } else {
        assert_eq!(seen, "2750 0 0\n2750 0 0\n2750 0 0\n");
    }
    let error = sandbox::apply_ownership(&root.ids, &root.path(), [own("no/thing", 0)]);
    let error = error.unwrap_err().to_string();
    assert!(error.ends_with("root/no/thing`"), "{error}");
    give_back(&root);
}

#[test]
fn a_capability_of_a_file_is_set() {
    let Some(root) = root() else { return };
    if !root.has_many_ids() {
        return; // there is nobody whom a capability could help
    }
    // Version 2, effective; permitted: bit 10, CAP_NET_BIND_SERVICE.
    let value = [[1, 0, 0, 2], [0, 4, 0, 0], [0; 4], [0; 4], [0; 4]].concat();
    let entry = sandbox::Ownership {
        path: "bin/busybox".into(),
        uid: 0,
        gid: 0,
        mode: Some(0o755),
        capability: Some(value),
    };
    sandbox::apply_ownership(&root.ids, &root.path(), [entry]).unwrap();
    let user = User {
        uid: 999,
        gid: 999,
        groups: Vec::new(),
    };
    let seen = output(&Spec {
        user,
        ..root.script("cat /proc/self/status")
    });
    assert!(seen.contains("CapEff:\t0000000000000400"), "{seen}");
}

#[test]
fn a_tree_is_removed_whoever_owns_it() {
    let Some(root) = root() else { return };
    let tree = root.beside("tree");
    let script = "cd /; i=0; while [ $i -lt 300 ]; do mkdir d; cd d; touch f g; i=$((i+1)); done; \
        cd /; mkdir locked; touch locked/x; chown 999 locked d; chmod 0 locked; ln -s / link";
    let spec = Spec {
        writes: Writes::Directory(tree.clone()),
        ..root.script(script)
    };
    output(&spec);
    remove_tree(&root.ids, &tree).unwrap();
    assert!(!tree.exists());
    assert!(root.path().join("bin/busybox").exists());
    remove_tree(&root.ids, &tree).unwrap();
}

#[test]
fn a_container_in_the_hosts_network_has_a_sys_too() {
    let Some(root) = root() else { return };
    let spec = Spec {
        network: Network::Host,
        ..root.script("ls -d /sys/class; ls /sys/class/net")
    };
    let seen = output(&spec);
    assert!(
        seen.starts_with("/sys/class\n") && seen.contains("lo\n"),
        "{seen}"
    );
}

/// Makes the caller the owner again, so that the test's root can go away.
fn give_back(root: &Root) {
    let own = |path: &str| sandbox::Ownership {
        path: path.into(),
        uid: 0,
        gid: 0,
        mode: Some(0o755),
        capability: None,
    };
    let entries = [own("work"), own("run/app")];
    sandbox::apply_ownership(&root.ids, &root.path(), entries).unwrap();
}
