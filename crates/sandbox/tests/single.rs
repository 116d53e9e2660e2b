//! Containers with one id, which any user may have.

mod support;

use sandbox::{IdMapping, Spec, User};
use support::{Root, output, root, run};

fn single(root: &Root, id: u32, script: &str) -> Spec {
    Spec {
        ids: IdMapping::Single {
            inside_uid: id,
            inside_gid: id,
        },
        user: User {
            uid: id,
            gid: id,
            groups: vec![id, 4],
        },
        ..root.script(script)
    }
}

#[test]
fn changes_of_owner_and_identity_seem_to_succeed() {
    let Some(root) = root() else { return };
    let script = "touch file; chown 999:999 file && stat -c %u file; \
        chown -h 5 file && mknod null c 1 3 && mknod disk b 8 0 && mknod pipe p; \
        ls; su app -s /bin/sh -c 'id -u'";
    let spec = Spec {
        cwd: "/work".into(),
        ..single(&root, 0, script)
    };
    assert_eq!(output(&spec), "0\nfile\npipe\n999\n");
}

#[test]
fn the_one_id_may_be_that_of_any_user() {
    let Some(root) = root() else { return };
    let script =
        "id -u; id -g; touch /tmp/x; stat -c %u /tmp/x /work /run; grep CapEff /proc/self/status";
    let seen = output(&single(&root, 999, script));
    assert_eq!(seen, "999\n999\n999\n999\n999\nCapEff:\t0000000000000000\n");
}

#[test]
fn the_system_calls_are_real_where_there_are_more_ids() {
    let Some(root) = root() else { return };
    let script = "touch file; chown 999:999 file && stat -c %u file; su app -s /bin/sh -c 'id -u'";
    let spec = Spec {
        cwd: "/work".into(),
        ..root.script(script)
    };
    let (_, seen, errors) = run(&spec).unwrap();
    let expected = if root.has_many_ids() {
        "999\n999\n"
    } else {
        "0\n999\n"
    };
    assert_eq!(seen, expected, "{errors}");
}

#[test]
fn who_drops_privileges_is_somebody_else_and_owns_what_is_there() {
    let Some(root) = root() else { return };
    // As root, as another user, in what that one starts, and as root again.
    let own = "id -u; id -g; stat -c '%u %g' /work /work/own; stat -Lc %u /run/link; \
        stat -c %u /proc/self/exe | grep -c .; cd /work; stat -c %u own ../work; sh -c 'id -u'";
    let script = format!(
        "echo > /work/own; id -u; stat -c %u /work; su app -s /bin/sh -c \"{own}\"; id -u; stat -c %u /work"
    );
    let seen = output(&single(&root, 0, &script));
    let expected = "0\n0\n999\n999\n999 999\n999 999\n999\n1\n999\n999\n999\n0\n0\n";
    assert_eq!(seen, expected);
}

#[test]
fn who_has_dropped_privileges_does_not_get_them_back() {
    let Some(root) = root() else { return };
    let script = "su app -s /bin/sh -c 'su root -s /bin/sh -c true || echo refused'; \
        su app -s /bin/sh -c 'stat /missing' 2>&1 | grep -c 'No such file'";
    assert_eq!(output(&single(&root, 0, script)), "refused\n1\n");
}

#[test]
fn identities_are_kept_while_files_are_recorded() {
    let Some(root) = root() else { return };
    let spec = Spec {
        trace: Some(sandbox::TraceOptions::default()),
        ..single(
            &root,
            0,
            "su app -s /bin/sh -c 'id -u; stat -c %u /work; cat /run/app/file'",
        )
    };
    for ptrace in [false, true] {
        let trace = Some(sandbox::TraceOptions {
            ptrace,
            ..sandbox::TraceOptions::default()
        });
        let spec = Spec {
            trace,
            ..spec.clone()
        };
        let mut container = sandbox::spawn(&spec).unwrap();
        let seen = support::read(container.main.take_stdout());
        assert_eq!(seen, "999\n999\ncontent of a file\n");
        assert!(container.main.wait().unwrap().success());
        let trace = container.take_trace().unwrap();
        assert!(trace.complete);
        for path in ["/work", "/run/app/file"] {
            let found = trace.accesses.iter().any(|it| it.path == path.as_bytes());
            assert!(found, "{path}");
        }
    }
}
