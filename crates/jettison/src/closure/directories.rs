//! Directories: which belong to one application, and which to everybody.
//!
//! A program that names `/usr/lib/php/20220829` will open files there by name;
//! one that names `/usr/lib` says nothing. The directories that everybody shares
//! are those of the Filesystem Hierarchy Standard 3.0, and Debian's multiarch ones.

use std::collections::HashSet;
use std::sync::LazyLock;

use fast_glob::glob_match;
use layer::{NodeId, Tree};

/// Shared directories. `*` stands for one component.
const SHARED: &[&str] = &[
    "",
    "bin",
    "boot",
    "dev",
    "etc",
    "home",
    "lib",
    "lib*",
    "media",
    "mnt",
    "opt",
    "proc",
    "root",
    "run",
    "sbin",
    "srv",
    "sys",
    "tmp",
    "usr",
    "var",
    "etc/alternatives",
    "etc/apt",
    "etc/apt/*",
    "etc/cron.*",
    "etc/default",
    "etc/dpkg",
    "etc/init.d",
    "etc/logrotate.d",
    "etc/opt",
    "etc/pam.d",
    "etc/profile.d",
    "etc/rc*.d",
    "etc/security",
    "etc/skel",
    "etc/ssl",
    "etc/systemd",
    "etc/systemd/*",
    "etc/udev",
    "etc/xdg",
    "etc/kernel",
    "run/lock",
    "run/user",
    "var/*",
    "var/lib/apt",
    "var/lib/apt/*",
    "var/lib/dpkg",
    "var/lib/dpkg/*",
    "var/lib/misc",
    "var/cache/apt",
    "var/cache/apt/*",
    "var/cache/debconf",
    "var/cache/ldconfig",
    "var/log/apt",
    "var/lib/systemd",
    "var/lib/rpm",
    "var/lib/ucf",
    "var/lib/apk",
    "usr/bin",
    "usr/games",
    "usr/include",
    "usr/lib",
    "usr/lib*",
    "usr/libexec",
    "usr/local",
    "usr/sbin",
    "usr/share",
    "usr/src",
    "usr/local/*",
    "usr/local/share/*",
    "usr/lib/*-linux-*",
    "lib/*-linux-*",
    "usr/lib/*-linux-*/pkgconfig",
    "usr/lib/debug",
    "usr/lib/locale",
    "usr/lib/modules",
    "usr/lib/systemd",
    "usr/lib/systemd/*",
    "usr/lib/udev",
    "usr/lib/tmpfiles.d",
    "usr/lib/sysusers.d",
    "usr/lib/firmware",
    "usr/lib/apt",
    "usr/lib/apt/*",
    "usr/lib/dpkg",
    "usr/lib/mime",
    "usr/lib/init",
    "usr/share/applications",
    "usr/share/bash-completion",
    "usr/share/bug",
    "usr/share/common-licenses",
    "usr/share/debconf",
    "usr/share/doc",
    "usr/share/doc-base",
    "usr/share/fonts",
    "usr/share/games",
    "usr/share/gir-1.0",
    "usr/share/icons",
    "usr/share/info",
    "usr/share/keyrings",
    "usr/share/licenses",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
    "usr/share/man/*",
    "usr/share/menu",
    "usr/share/metainfo",
    "usr/share/mime",
    "usr/share/misc",
    "usr/share/perl",
    "usr/share/pixmaps",
    "usr/share/pkgconfig",
    "usr/share/themes",
    "usr/share/xml",
    "usr/share/zsh",
    "usr/share/sgml",
    "usr/share/dpkg",
    "usr/share/apport",
    "usr/share/polkit-1",
    "usr/share/dbus-1",
];

/// [`SHARED`] without patterns: nearly every file is looked up, and most of the list are names.
static NAMES: LazyLock<HashSet<&[u8]>> = LazyLock::new(|| {
    let all = SHARED.iter().map(|path| path.as_bytes());
    all.filter(|path| !path.contains(&b'*')).collect()
});

/// The patterns of [`SHARED`].
static PATTERNS: LazyLock<Vec<&[u8]>> = LazyLock::new(|| {
    let all = SHARED.iter().map(|path| path.as_bytes());
    all.filter(|path| path.contains(&b'*')).collect()
});

/// Returns whether a directory belongs to everybody.
pub(super) fn is_shared(tree: &Tree, directory: NodeId) -> bool {
    let path = tree.path(directory);
    NAMES.contains(&*path) || PATTERNS.iter().any(|pattern| glob_match(pattern, &path))
}

#[cfg(test)]
mod tests {
    use fast_glob::glob_match;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, path, want) in [
            ("/etc/*", "/etc/passwd", true),
            ("/etc/*", "/etc/a/b", false),
            ("/etc/**", "/etc/a/b", true),
            ("**/x", "a/b/x", true),
            ("/usr/lib/*-linux-*", "/usr/lib/x86_64-linux-gnu", true),
            ("usr/lib/*-linux-*", "usr/lib/python3", false),
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf.bak", false),
            ("[a-c]?", "bz", true),
            ("[!a]", "a", false),
            ("a*b*c", "aXbYbZc", true),
            ("lib*", "lib64", true),
            ("", "", true),
        ] {
            assert_eq!(glob_match(pattern, path), want, "{pattern} {path}");
        }
    }
}
