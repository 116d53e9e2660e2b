//! What a path is for, by the conventions of distributions.
//!
//! Only the path is looked at, so the answer is what a packager meant, not what
//! the file is. [`Class::of`] goes through a table of rules in order; each row names
//! where its convention is written down.

/// What a file is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Class {
    /// Something to execute: `bin`, `sbin`, `libexec`.
    Program,
    /// Shared objects and whatever else programs load from `lib`.
    Library,
    /// Read-only data: `share`.
    Data,
    /// Settings of this system: `/etc`.
    Config,
    /// State and caches: `/var`.
    State,
    /// Licence and copyright texts.
    License,
    /// Documentation other than manual pages.
    Documentation,
    /// Manual pages, of any language.
    Man,
    /// GNU Info manuals.
    Info,
    /// Messages and settings of one language; its name as in the path.
    Locale(Vec<u8>),
    /// Headers of C and C++.
    Header,
    /// Archives and object files to link with, and what libtool wants.
    StaticLibrary,
    /// Descriptions of libraries for building: pkg-config, CMake, autoconf, Vala, GIR.
    PkgConfig,
    /// Detached debugging symbols.
    DebugSymbols,
    /// Completions and hooks of interactive shells.
    ShellCompletion,
    /// Exceptions for the package checkers Lintian and reportbug.
    Lintian,
    /// Units and other settings of systemd.
    SystemdUnit,
    /// Start scripts of System V init.
    InitScript,
    /// Jobs of cron.
    CronJob,
    /// Rules of logrotate.
    Logrotate,
    /// Profiles of AppArmor and policies of SELinux.
    SecurityPolicy,
    /// Menu entries, icons and other parts of a graphical desktop.
    Desktop,
    /// Settings of udev, modprobe and the kernel: the host's business.
    Device,
    /// Databases and caches of package managers.
    PackageDatabase,
    /// None of these.
    Other,
}

/// How a rule recognises a path. Paths are relative to the root.
enum Pattern {
    /// The path lies below this directory.
    Below(&'static str),
    /// The path lies below `usr/`, `usr/local/` or nothing, then this directory.
    Prefixed(&'static str),
    /// The name ends so, in a directory of libraries or shared data.
    Ending(&'static str),
    /// The path has this component below `usr`, and the name ends so.
    Within(&'static str, &'static str),
}

use Pattern::{Below, Ending, Prefixed, Within};

/// The conventions, the first that matches counts.
const RULES: &[(Pattern, Class)] = &[
    // dpkg(1), apk(8), rpm(8), apt(8): "FILES".
    (Below("var/lib/dpkg"), Class::PackageDatabase),
    (Below("var/lib/apt"), Class::PackageDatabase),
    (Below("var/cache/apt"), Class::PackageDatabase),
    (Below("var/lib/rpm"), Class::PackageDatabase),
    (Below("usr/lib/sysimage"), Class::PackageDatabase),
    (Prefixed("lib/apk"), Class::PackageDatabase),
    (Below("var/cache/apk"), Class::PackageDatabase),
    (Below("var/lib/dnf"), Class::PackageDatabase),
    (Below("var/cache/dnf"), Class::PackageDatabase),
    // Fedora Packaging Guidelines, "License Text"; Alpine's `-doc` packages.
    (Prefixed("share/licenses"), Class::License),
    (Prefixed("share/common-licenses"), Class::License),
    // FHS 3.0, 4.11 "/usr/share": man, doc, info, locale.
    (Prefixed("share/man"), Class::Man),
    (Prefixed("man"), Class::Man),
    (Prefixed("share/doc"), Class::Documentation),
    (Prefixed("share/doc-base"), Class::Documentation), // Debian policy 9.10
    (Prefixed("share/gtk-doc"), Class::Documentation),
    (Prefixed("share/help"), Class::Documentation), // freedesktop.org help system
    (Prefixed("share/info"), Class::Info),
    // FHS 3.0, 4.5 "/usr/include".
    (Prefixed("include"), Class::Header),
    // GDB manual, "Debugging Information in Separate Files".
    (Prefixed("lib/debug"), Class::DebugSymbols),
    (Ending(".debug"), Class::DebugSymbols),
    // pkg-config(1), cmake-packages(7), the autoconf and Vala manuals.
    (Within("pkgconfig", ".pc"), Class::PkgConfig),
    (Within("cmake", ".cmake"), Class::PkgConfig),
    (Prefixed("share/aclocal"), Class::PkgConfig),
    (Prefixed("share/gir-1.0"), Class::PkgConfig),
    (Prefixed("share/vala"), Class::PkgConfig),
    // Debian policy 8.3 "Static libraries", 10.2 on libtool archives.
    (Ending(".a"), Class::StaticLibrary),
    (Ending(".la"), Class::StaticLibrary),
    // The bash-completion README; zshcompsys(1); fish's "Where to put completions".
    (Prefixed("share/bash-completion"), Class::ShellCompletion),
    (Below("etc/bash_completion.d"), Class::ShellCompletion),
    (
        Prefixed("share/zsh/vendor-completions"),
        Class::ShellCompletion,
    ),
    (Prefixed("share/zsh/site-functions"), Class::ShellCompletion),
    (
        Prefixed("share/fish/vendor_completions.d"),
        Class::ShellCompletion,
    ),
    (Prefixed("share/fish/completions"), Class::ShellCompletion),
    // lintian(1), reportbug's README.developers.
    (Prefixed("share/lintian"), Class::Lintian),
    (Prefixed("share/bug"), Class::Lintian),
    // systemd.unit(5), tmpfiles.d(5), sysusers.d(5).
    (Prefixed("lib/systemd/system"), Class::SystemdUnit),
    (Prefixed("lib/systemd/user"), Class::SystemdUnit),
    (Prefixed("lib/systemd/system-preset"), Class::SystemdUnit),
    (Prefixed("lib/systemd/user-preset"), Class::SystemdUnit),
    (Prefixed("lib/tmpfiles.d"), Class::SystemdUnit),
    (Prefixed("lib/sysusers.d"), Class::SystemdUnit),
    (Below("etc/systemd"), Class::SystemdUnit),
    // Debian policy 9.3 "System run levels".
    (Below("etc/init.d"), Class::InitScript),
    (Below("etc/init"), Class::InitScript),
    (Below("etc/rc0.d"), Class::InitScript),
    (Below("etc/rc1.d"), Class::InitScript),
    (Below("etc/rc2.d"), Class::InitScript),
    (Below("etc/rc3.d"), Class::InitScript),
    (Below("etc/rc4.d"), Class::InitScript),
    (Below("etc/rc5.d"), Class::InitScript),
    (Below("etc/rc6.d"), Class::InitScript),
    (Below("etc/rcS.d"), Class::InitScript),
    (Below("etc/rc.d"), Class::InitScript), // Red Hat
    // Debian policy 9.5 "Cron jobs".
    (Below("etc/cron.d"), Class::CronJob),
    (Below("etc/cron.hourly"), Class::CronJob),
    (Below("etc/cron.daily"), Class::CronJob),
    (Below("etc/cron.weekly"), Class::CronJob),
    (Below("etc/cron.monthly"), Class::CronJob),
    (Below("etc/periodic"), Class::CronJob),      // Alpine
    (Below("etc/logrotate.d"), Class::Logrotate), // logrotate(8); policy 10.8
    // apparmor.d(5), selinux(8).
    (Below("etc/apparmor.d"), Class::SecurityPolicy),
    (Below("etc/apparmor"), Class::SecurityPolicy),
    (Below("etc/selinux"), Class::SecurityPolicy),
    (Prefixed("share/selinux"), Class::SecurityPolicy),
    // freedesktop.org: desktop entry, icon theme and AppStream specifications; policy 9.6.
    (Prefixed("share/applications"), Class::Desktop),
    (Prefixed("share/icons"), Class::Desktop),
    (Prefixed("share/pixmaps"), Class::Desktop),
    (Prefixed("share/metainfo"), Class::Desktop),
    (Prefixed("share/appdata"), Class::Desktop),
    (Prefixed("share/menu"), Class::Desktop),
    // udev(7), modprobe.d(5), sysctl.d(5), initramfs-tools(7).
    (Prefixed("lib/udev"), Class::Device),
    (Below("etc/udev"), Class::Device),
    (Prefixed("lib/modprobe.d"), Class::Device),
    (Below("etc/modprobe.d"), Class::Device),
    (Prefixed("lib/sysctl.d"), Class::Device),
    (Below("etc/sysctl.d"), Class::Device),
    // binfmt.d(5), modules-load.d(5), update-binfmts(8).
    (Prefixed("lib/binfmt.d"), Class::Device),
    (Below("etc/binfmt.d"), Class::Device),
    (Prefixed("lib/modules-load.d"), Class::Device),
    (Below("etc/modules-load.d"), Class::Device),
    (Prefixed("share/binfmts"), Class::Device),
    (Prefixed("share/initramfs-tools"), Class::Device),
    // FHS 3.0, chapter 3 and 4, last, since all above lie below these.
    (Prefixed("bin"), Class::Program),
    (Prefixed("sbin"), Class::Program),
    (Prefixed("libexec"), Class::Program),
    (Prefixed("games"), Class::Program),
    (Prefixed("lib"), Class::Library),
    (Prefixed("lib64"), Class::Library),
    (Prefixed("lib32"), Class::Library),
    (Prefixed("libx32"), Class::Library),
    (Prefixed("share"), Class::Data),
    (Below("etc"), Class::Config),
    (Below("var"), Class::State),
];

impl Class {
    /// Returns what the file at `path` is for. The path may begin with `/`.
    pub fn of(path: &[u8]) -> Self {
        let path = path.strip_prefix(b"/").unwrap_or(path);
        if is_license(path) {
            return Self::License;
        }
        if let Some(language) = language(path) {
            return Self::Locale(language.to_vec());
        }
        let rest = unprefixed(path);
        let mut rules = RULES.iter();
        let rule = rules.find(|(pattern, _)| pattern.matches(path, rest));
        rule.map_or(Self::Other, |(_, class)| class.clone())
    }

    /// Returns whether only people who read or write about the software need it.
    pub fn is_documentation(&self) -> bool {
        matches!(self, Self::Documentation | Self::Man | Self::Info)
    }

    /// Returns whether only building other software needs it.
    pub fn is_for_building(&self) -> bool {
        matches!(
            self,
            Self::Header | Self::StaticLibrary | Self::PkgConfig | Self::DebugSymbols
        )
    }
}

impl Pattern {
    /// Holds it against a path, and `rest`, which is the path [`unprefixed`].
    fn matches(&self, path: &[u8], rest: &[u8]) -> bool {
        match self {
            Below(directory) => below(path, directory).is_some(),
            Prefixed(directory) => below(rest, directory).is_some(),
            Ending(ending) => {
                let library = ["lib", "lib64", "lib32", "share"];
                path.ends_with(ending.as_bytes())
                    && library
                        .iter()
                        .any(|directory| below(rest, directory).is_some())
            }
            Within(name, ending) => {
                let mut above = rest.split(|&b| b == b'/').rev().skip(1);
                rest.len() < path.len()
                    && path.ends_with(ending.as_bytes())
                    && above.any(|component| component == name.as_bytes())
            }
        }
    }
}

/// Returns the path without `usr/` or `usr/local/` before it.
fn unprefixed(path: &[u8]) -> &[u8] {
    let path = path.strip_prefix(b"usr/").unwrap_or(path);
    path.strip_prefix(b"local/").unwrap_or(path)
}

/// Returns what follows the directory and its slash.
fn below<'p>(path: &'p [u8], directory: &str) -> Option<&'p [u8]> {
    // Every file is held against every rule; one byte tells most of them apart.
    let has_slash = path.get(directory.len()) == Some(&b'/');
    (has_slash && path.starts_with(directory.as_bytes())).then(|| &path[directory.len() + 1..])
}

/// Debian policy 12.5 "Copyright information", and what upstreams call theirs.
fn is_license(path: &[u8]) -> bool {
    let Some(rest) = below(unprefixed(path), "share/doc") else {
        return false;
    };
    let name = rest.rsplit(|&b| b == b'/').next().unwrap_or_default();
    let name = name
        .strip_suffix(b".gz")
        .unwrap_or(name)
        .to_ascii_lowercase();
    let stems: [&[u8]; 5] = [b"copyright", b"license", b"licence", b"copying", b"notice"];
    stems.iter().any(|stem| name.starts_with(stem))
}

/// Returns the language of a message catalogue or of settings of glibc
/// (gettext manual, 11.2.1; glibc manual, "Locale Names").
fn language(path: &[u8]) -> Option<&[u8]> {
    let rest = unprefixed(path);
    let rest = below(rest, "share/locale")
        .or_else(|| below(rest, "lib/locale"))
        .or_else(|| below(rest, "share/i18n/locales"))
        .or_else(|| below(rest, "share/i18n/charmaps"))
        .or_else(|| below(rest, "share/locale-langpack"))?;
    rest.split(|&b| b == b'/')
        .next()
        .filter(|language| !language.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_the_class_of_their_convention() {
        let locale = |language: &str| Class::Locale(language.as_bytes().to_vec());
        for (path, want) in [
            ("/usr/bin/redis-server", Class::Program),
            ("bin/sh", Class::Program),
            ("usr/local/sbin/x", Class::Program),
            ("usr/lib/x86_64-linux-gnu/libc.so.6", Class::Library),
            ("lib/ld-musl-x86_64.so.1", Class::Library),
            ("usr/share/zoneinfo/UTC", Class::Data),
            ("etc/passwd", Class::Config),
            ("var/log/x", Class::State),
            ("usr/share/doc/bash/copyright", Class::License),
            ("usr/share/doc/x/LICENSE.txt.gz", Class::License),
            ("usr/share/licenses/x/COPYING", Class::License),
            ("usr/share/common-licenses/GPL-3", Class::License),
            ("usr/share/doc/bash/changelog.gz", Class::Documentation),
            ("usr/share/man/de/man1/ls.1.gz", Class::Man),
            ("usr/share/info/sed.info.gz", Class::Info),
            ("usr/share/locale/pt_BR/LC_MESSAGES/sed.mo", locale("pt_BR")),
            ("usr/lib/locale/C.utf8/LC_CTYPE", locale("C.utf8")),
            ("usr/include/stdio.h", Class::Header),
            ("usr/lib/x86_64-linux-gnu/libc.a", Class::StaticLibrary),
            (
                "usr/lib/x86_64-linux-gnu/pkgconfig/zlib.pc",
                Class::PkgConfig,
            ),
            ("usr/share/cmake/x.cmake", Class::PkgConfig),
            // A module of that name, not files for building.
            (
                "usr/lib/R/site-library/pkgconfig/DESCRIPTION",
                Class::Library,
            ),
            ("usr/lib/debug/.build-id/ab/cd.debug", Class::DebugSymbols),
            (
                "usr/share/bash-completion/completions/apt",
                Class::ShellCompletion,
            ),
            ("usr/share/lintian/overrides/bash", Class::Lintian),
            ("lib/systemd/system/redis.service", Class::SystemdUnit),
            ("usr/lib/systemd/libsystemd-core.so", Class::Library),
            ("etc/init.d/redis-server", Class::InitScript),
            ("etc/cron.daily/dpkg", Class::CronJob),
            ("etc/logrotate.d/redis", Class::Logrotate),
            ("usr/lib/udev/rules.d/60-x.rules", Class::Device),
            ("usr/lib/binfmt.d/python3.11.conf", Class::Device),
            ("var/lib/dpkg/status", Class::PackageDatabase),
            ("opt/app/lib/libx.a", Class::Other),
            ("app/server.js", Class::Other),
            ("", Class::Other),
        ] {
            assert_eq!(Class::of(path.as_bytes()), want, "{path}");
        }
    }
}
