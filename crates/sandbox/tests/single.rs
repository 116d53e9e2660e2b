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
    assert_eq!(output(&spec), "0\nfile\npipe\n0\n");
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
        "0\n0\n"
    };
    assert_eq!(seen, expected, "{errors}");
}
