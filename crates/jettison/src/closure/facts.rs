//! Facts of libraries: what they read that no string of the program shows.
//!
//! Each row of [`FACTS`] says by which imports or which library a fact is
//! recognised, and what follows, with its source.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use layer::{NodeId, Tree};

use super::collector::Collector;
use super::libraries;
use super::wanted::is_wanted;
use super::{Edge, Evidence};
use crate::elf::Object;

/// A fact that was acted upon: once is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Fact {
    /// A row of [`FACTS`].
    Row(usize),
    /// The modules of this interpreter.
    Runtime(NodeId),
}

struct Row {
    /// Any of these imports.
    imports: &'static [&'static str],
    /// Any of these libraries, up to `.so`.
    libraries: &'static [&'static str],
    /// Any of these strings, of who has such a library built in: variables of the environment that it reads, and
    /// its directories.
    strings: &'static [&'static str],
    /// Go programs, whose library does the same without imports.
    go: bool,
    evidence: Evidence,
    /// Files, and directories with everything below.
    paths: &'static [&'static str],
    /// What of that only others read.
    unread: &'static [&'static str],
    /// Names of files to be found in any library directory.
    modules: &'static [&'static str],
}

const NONE: Row = Row {
    imports: &[],
    libraries: &[],
    strings: &[],
    go: false,
    evidence: Evidence::Data,
    paths: &[],
    unread: &[],
    modules: &[],
};

const FACTS: &[Row] = &[
    // Users and groups: nsswitch.conf(5). Modules of glibc that are not built in
    // since 2.34, and systemd's, are named there and found by the loader.
    Row {
        imports: &[
            "getpwnam",
            "getpwnam_r",
            "getpwuid",
            "getpwuid_r",
            "getpwent",
            "getgrnam",
            "getgrnam_r",
            "getgrgid",
            "getgrgid_r",
            "getgrent",
            "initgroups",
            "getgrouplist",
        ],
        go: true,
        evidence: Evidence::Nss,
        paths: &["/etc/nsswitch.conf", "/etc/passwd", "/etc/group"],
        modules: &[
            "libnss_files.so.2",
            "libnss_compat.so.2",
            "libnss_extrausers.so.2",
            "libnss_sss.so.2",
        ],
        ..NONE
    },
    // Shadow passwords: shadow(5).
    Row {
        imports: &["getspnam", "getspnam_r", "getspent", "getsgnam"],
        evidence: Evidence::Nss,
        paths: &["/etc/shadow", "/etc/gshadow", "/etc/login.defs"],
        ..NONE
    },
    // Host names: nsswitch.conf(5), resolver(5), gai.conf(5), host.conf(5).
    Row {
        imports: &[
            "getaddrinfo",
            "gethostbyname",
            "gethostbyname2",
            "gethostbyname_r",
            "gethostbyname2_r",
            "gethostbyaddr",
            "gethostbyaddr_r",
            "getnameinfo",
            "res_init",
            "__res_init",
            "res_query",
            "res_ninit",
            "__res_ninit",
        ],
        go: true,
        evidence: Evidence::Nss,
        paths: &[
            "/etc/nsswitch.conf",
            "/etc/hosts",
            "/etc/resolv.conf",
            "/etc/host.conf",
            "/etc/gai.conf",
            "/etc/networks",
        ],
        modules: &[
            "libnss_dns.so.2",
            "libnss_files.so.2",
            "libnss_myhostname.so.2",
            "libnss_resolve.so.2",
            "libnss_mdns4_minimal.so.2",
        ],
        ..NONE
    },
    // Services and protocols: services(5), protocols(5).
    Row {
        imports: &[
            "getservbyname",
            "getservbyport",
            "getservbyname_r",
            "getservent",
            "getprotobyname",
            "getprotobynumber",
            "getprotobyname_r",
            "getaddrinfo",
            "getnameinfo",
        ],
        go: true,
        evidence: Evidence::Nss,
        paths: &["/etc/services", "/etc/protocols", "/etc/rpc"],
        ..NONE
    },
    // Locales: locale(7). What is compiled is in `super::locale`.
    Row {
        imports: &["setlocale", "newlocale", "uselocale", "__newlocale"],
        evidence: Evidence::Locale,
        paths: &[
            "/usr/share/locale/locale.alias",
            "/etc/locale.alias",
            "/etc/default/locale",
        ],
        ..NONE
    },
    // Time zones: tzset(3). TZ can be set when a container is started.
    Row {
        imports: &[
            "localtime",
            "localtime_r",
            "mktime",
            "tzset",
            "__localtime_r",
        ],
        go: true,
        evidence: Evidence::Timezone,
        paths: &["/etc/localtime", "/etc/timezone", "/usr/share/zoneinfo"],
        // What zones are compiled from (zic(8)); C++'s <chrono>, which reads it, names the directory.
        unread: &[
            "usr/share/zoneinfo/tzdata.zi",
            "usr/share/zoneinfo/leapseconds",
            "usr/share/zoneinfo/leap-seconds.list",
        ],
        ..NONE
    },
    // Authorities: where OpenSSL, GnuTLS, NSS and Go look (crypto/x509, root_linux.go).
    Row {
        libraries: &[
            "libssl",
            "libcrypto",
            "libgnutls",
            "libnss3",
            "libmbedtls",
            "libmbedcrypto",
            "libwolfssl",
            "libtls",
        ],
        // openssl-env(7)
        strings: &["SSL_CERT_FILE"],
        go: true,
        evidence: Evidence::CaCertificates,
        paths: &[
            "/etc/ssl/certs",
            "/etc/ssl/cert.pem",
            "/etc/ssl/openssl.cnf",
            "/etc/ssl/ca-bundle.pem",
            "/etc/pki/tls/certs",
            "/etc/pki/tls/cert.pem",
            "/etc/pki/tls/openssl.cnf",
            "/etc/pki/ca-trust/extracted/pem",
            "/usr/lib/ssl",
            "/usr/share/ca-certificates",
            "/usr/local/share/ca-certificates",
            "/etc/gnutls",
            "/etc/ca-certificates.conf",
            "/etc/ca-certificates",
        ],
        ..NONE
    },
    // Modules of NSS, which are found beside it (NSS documentation, "PKCS #11 modules").
    Row {
        libraries: &["libnss3"],
        evidence: Evidence::CaCertificates,
        modules: &[
            "libnssckbi.so",
            "libsoftokn3.so",
            "libfreebl3.so",
            "libfreeblpriv3.so",
            "libnssdbm3.so",
        ],
        ..NONE
    },
    // Terminals: terminfo(5).
    Row {
        imports: &["setupterm", "tgetent", "initscr", "newterm", "del_curterm"],
        libraries: &["libtinfo", "libtinfow", "libncurses", "libncursesw"],
        strings: &["TERMINFO_DIRS"],
        evidence: Evidence::Data,
        paths: &[
            "/etc/terminfo",
            "/lib/terminfo",
            "/usr/lib/terminfo",
            "/usr/share/terminfo",
            "/etc/inputrc",
        ],
        ..NONE
    },
    // Kinds of files: libmagic(3).
    Row {
        libraries: &["libmagic"],
        evidence: Evidence::Data,
        paths: &[
            "/etc/magic",
            "/etc/magic.mime",
            "/usr/share/misc/magic.mgc",
            "/usr/share/misc/magic",
            "/usr/lib/file",
            "/usr/share/file",
        ],
        ..NONE
    },
    // Fonts: fonts-conf(5).
    Row {
        libraries: &["libfontconfig"],
        strings: &["FONTCONFIG_FILE", "/usr/share/fonts"],
        evidence: Evidence::Data,
        paths: &[
            "/etc/fonts",
            "/usr/share/fontconfig",
            "/usr/share/fonts",
            "/usr/local/share/fonts",
            "/var/cache/fontconfig",
        ],
        ..NONE
    },
    // Authentication: pam.d(5). Which modules, the files there say.
    Row {
        libraries: &["libpam"],
        evidence: Evidence::Data,
        paths: &[
            "/etc/pam.d",
            "/etc/pam.conf",
            "/etc/security",
            "/etc/environment",
            "/etc/login.defs",
            "/etc/securetty",
        ],
        ..NONE
    },
    // Types of files by name: mime.types, of shared-mime-info for GIO.
    Row {
        libraries: &["libgio-2.0"],
        evidence: Evidence::Data,
        paths: &[
            "/usr/share/mime/mime.cache",
            "/usr/share/mime/globs2",
            "/usr/share/mime/magic",
            "/usr/share/glib-2.0/schemas/gschemas.compiled",
        ],
        ..NONE
    },
    // The database of types below a directory of XDG_DATA_DIRS (Shared MIME-info Database specification, 2.1).
    Row {
        strings: &["mime/globs2", "mime/globs", "mime/magic"],
        evidence: Evidence::Data,
        paths: &[
            "/usr/share/mime/XMLnamespaces",
            "/usr/share/mime/aliases",
            "/usr/share/mime/generic-icons",
            "/usr/share/mime/globs",
            "/usr/share/mime/globs2",
            "/usr/share/mime/icons",
            "/usr/share/mime/magic",
            "/usr/share/mime/mime.cache",
            "/usr/share/mime/subclasses",
            "/usr/share/mime/treemagic",
            "/usr/share/mime/types",
        ],
        ..NONE
    },
    // Sessions of SASL: the plug-ins are in a directory that is compiled in.
    Row {
        libraries: &["libsasl2"],
        evidence: Evidence::Data,
        paths: &[
            "/usr/lib/sasl2",
            "/usr/lib/x86_64-linux-gnu/sasl2",
            "/usr/lib/aarch64-linux-gnu/sasl2",
            "/etc/sasldb2",
            "/etc/sasl2",
        ],
        ..NONE
    },
    // A shell for system(3), popen(3) and wordexp(3).
    Row {
        imports: &["system", "popen", "wordexp"],
        evidence: Evidence::Interpreter,
        paths: &["/bin/sh"],
        ..NONE
    },
    // Go's package mime (type_unix.go) reads these.
    Row {
        go: true,
        evidence: Evidence::Data,
        paths: &[
            "/usr/share/mime/globs2",
            "/etc/mime.types",
            "/etc/apache2/mime.types",
        ],
        ..NONE
    },
];

/// What glibc itself opens whatever a program calls: for pthread_exit(3), thread
/// cancellation and backtrace(3). Of the others that it names, name service
/// modules are in [`FACTS`]; `libidn2` serves names that are not ASCII where a
/// caller passes `AI_IDN`, and Debian's libc6 merely recommends it.
pub(super) const C_LIBRARY_OPENS: &[&[u8]] =
    &[b"libgcc_s.so.1", b"libgcc_s.so.2", b"libgcc_s.so.4"];

/// Returns whether an object is the C library or its loader: what their strings
/// name is in [`FACTS`] instead, by the functions that use it.
pub(super) fn is_c_library(object: &Object) -> bool {
    let soname = object.soname.as_deref().unwrap_or_default();
    [
        &b"libc.so.6"[..],
        b"ld-linux",
        b"ld-musl",
        b"ld64.so",
        b"ld.so.1",
        b"libc.musl-",
    ]
    .iter()
    .any(|name| soname.starts_with(name))
}

/// Returns the row of [`FACTS`] that a string shows.
pub(super) fn of_string(text: &[u8]) -> Option<usize> {
    STRINGS.get(text).copied()
}

/// The strings by which facts are known: every string of every program is looked up.
static STRINGS: LazyLock<HashMap<&[u8], usize>> = LazyLock::new(|| {
    let numbered = FACTS.iter().enumerate().rev(); // the first that has it counts
    let strings = |row: &'static Row| row.strings.iter().map(|shown| shown.as_bytes());
    numbered
        .flat_map(|(at, row)| strings(row).map(move |shown| (shown, at)))
        .collect()
});

/// Returns the files of the fact that a string of a source shows.
pub(super) fn files_of_string(tree: &Tree, text: &[u8]) -> Vec<NodeId> {
    let row = of_string(text).and_then(|index| FACTS.get(index));
    let paths = row.into_iter().flat_map(|row| row.paths);
    let found = paths.filter_map(|path| Some(tree.resolve(path.as_bytes()).ok()?.node));
    found.filter(|node| tree.content(*node).is_some()).collect()
}

/// Acts on the facts that an object shows, by the rows that its strings do among others.
pub(super) fn examine(
    collector: &mut Collector<'_>,
    node: NodeId,
    object: &Object,
    shown: &BTreeSet<usize>,
) {
    if is_c_library(object) {
        return;
    }
    let soname = |library: &&str, name: &[u8]| {
        name.strip_prefix(library.as_bytes())
            .is_some_and(|rest| rest.starts_with(b".so") || rest.starts_with(b"-"))
    };
    let needed: Vec<&[u8]> = object
        .needed
        .iter()
        .map(Vec::as_slice)
        .chain(object.soname.as_deref())
        .collect();
    for (index, row) in FACTS.iter().enumerate() {
        let applies = row.go && object.go
            || shown.contains(&index)
            || row
                .imports
                .iter()
                .any(|name| object.imports.contains(name.as_bytes()))
            || row
                .libraries
                .iter()
                .any(|library| needed.iter().any(|name| soname(library, name)));
        if applies && collector.facts.insert(Fact::Row(index)) {
            act(collector, node, row);
        }
    }
}

/// A directory that many packages share was named: by whoever looks there itself, if it is of a fact.
pub(super) fn directory_found(collector: &mut Collector<'_>, directory: NodeId, by: NodeId) {
    let Some(index) = of_string(&collector.tree().absolute(directory)) else {
        return;
    };
    if let Some(row) = FACTS.get(index)
        && collector.facts.insert(Fact::Row(index))
    {
        act(collector, by, row);
    }
}

fn act(collector: &mut Collector<'_>, from: NodeId, row: &Row) {
    let tree = collector.tree();
    if row.evidence == Evidence::Locale {
        super::locale::keep_compiled(collector, from);
    }
    for path in row.paths {
        let found = collector.keep_path(tree.root(), path.as_bytes(), Some(from), row.evidence);
        let Some(directory) = found.filter(|node| tree.is_directory(*node)) else {
            continue;
        };
        let edge = Edge::new(Some(from), row.evidence, path);
        let is_read = |path: &[u8]| row.unread.iter().all(|other| other.as_bytes() != path);
        collector.keep_below(directory, &edge, |node| {
            is_wanted(tree, node) && is_read(&tree.path(node))
        });
    }
    for module in row.modules {
        for directory in libraries::DIRECTORIES {
            let path = format!("{directory}/{module}");
            collector.keep_path(tree.root(), path.as_bytes(), Some(from), row.evidence);
        }
    }
}
