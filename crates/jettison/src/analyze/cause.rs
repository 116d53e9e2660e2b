//! Why bytes of an image are there for nothing, and what would save them.

use serde::{Deserialize, Serialize};

/// Why bytes could be saved. Each byte has one cause: the first that applies,
/// in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A later layer removes the file, or a directory above it.
    Deleted,
    /// A later layer has the same bytes under another name.
    Moved,
    /// A later layer has the same bytes under the same name, with other attributes.
    MetadataOnly,
    /// A later layer has other bytes under the same name.
    Overwritten,
    /// What a version control system stores.
    VersionControl,
    /// Downloads, lists and caches of package managers and other programs.
    Cache,
    /// Logs.
    Log,
    /// Files in directories for temporary files.
    Temporary,
    /// Detached debugging symbols, and sections of programs with them.
    DebugSymbols,
    /// Manuals and other documentation; licences do not count.
    Documentation,
    /// Messages and settings of languages that the image does not use.
    Locale,
    /// Compilers, headers, static libraries.
    Development,
    /// Byte-code beside the source that it is compiled from.
    ByteCode,
    /// A package that is there a second time.
    PackageTwice,
    /// The same bytes in several files.
    Duplicate,
    /// A shared library that is there a second time, in another build.
    LibraryTwice,
}

/// All causes, in the order in which they apply.
pub const CAUSES: &[Cause] = &[
    Cause::Deleted,
    Cause::Moved,
    Cause::MetadataOnly,
    Cause::Overwritten,
    Cause::VersionControl,
    Cause::Cache,
    Cause::Log,
    Cause::Temporary,
    Cause::DebugSymbols,
    Cause::Documentation,
    Cause::Locale,
    Cause::Development,
    Cause::ByteCode,
    Cause::PackageTwice,
    Cause::Duplicate,
    Cause::LibraryTwice,
];

impl Cause {
    /// Returns whether the bytes ship but cannot be seen in the image: nothing
    /// can need them, and squashing saves them without any change to its files.
    pub fn is_hidden(self) -> bool {
        matches!(
            self,
            Self::Deleted | Self::Moved | Self::MetadataOnly | Self::Overwritten
        )
    }

    /// Returns its name in JSON and in flags.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Moved => "moved",
            Self::MetadataOnly => "metadata-only",
            Self::Overwritten => "overwritten",
            Self::VersionControl => "version-control",
            Self::Cache => "cache",
            Self::Log => "log",
            Self::Temporary => "temporary",
            Self::DebugSymbols => "debug-symbols",
            Self::Documentation => "documentation",
            Self::Locale => "locale",
            Self::Development => "development",
            Self::ByteCode => "byte-code",
            Self::PackageTwice => "package-twice",
            Self::LibraryTwice => "library-twice",
            Self::Duplicate => "duplicate",
        }
    }

    /// Returns what is wrong, for a person.
    pub fn title(self) -> &'static str {
        match self {
            Self::Deleted => "removed by a later layer, still shipped",
            Self::Moved => "moved by a later layer, shipped twice",
            Self::MetadataOnly => "copied to change owner, mode or time",
            Self::Overwritten => "overwritten by a later layer",
            Self::VersionControl => "version control",
            Self::Cache => "caches, lists and downloads of packages",
            Self::Log => "logs",
            Self::Temporary => "temporary files",
            Self::DebugSymbols => "debugging symbols",
            Self::Documentation => "documentation and manuals",
            Self::Locale => "languages that the image does not use",
            Self::Development => "compilers, headers, static libraries",
            Self::ByteCode => "byte-code beside its source",
            Self::PackageTwice => "packages that are there twice",
            Self::LibraryTwice => "libraries that are there in two builds",
            Self::Duplicate => "the same bytes in several files",
        }
    }

    /// Returns what saves the bytes, in one line.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Deleted => {
                "remove it in the RUN that makes it, or merge the layers with `jettison squash`"
            }
            Self::Moved => {
                "write it to its place at once, or merge the layers with `jettison squash`"
            }
            Self::MetadataOnly => {
                "use COPY --chown/--chmod, or change it in the RUN that makes it; \
                 `jettison squash --dedupe` repairs the image as it is"
            }
            Self::Overwritten => "write it once, or merge the layers with `jettison squash`",
            Self::VersionControl => "list it in .dockerignore",
            Self::Cache => {
                "remove it in the same RUN, or keep it out with RUN --mount=type=cache \
                 and the package manager's own flag (pip --no-cache-dir, apk --no-cache)"
            }
            Self::Log => "remove it in the RUN that writes it",
            Self::Temporary => "remove it in the RUN that writes it, or use RUN --mount=type=tmpfs",
            Self::DebugSymbols => {
                "strip programs in the build stage; leave -dbg and -debuginfo packages out"
            }
            Self::Documentation => {
                "keep the package manager from unpacking it (dpkg: path-exclude, \
                 rpm: --excludedocs, apk: leave -doc packages out), or use `jettison slim`"
            }
            Self::Locale => {
                "keep the package manager from unpacking it (dpkg: path-exclude, \
                 rpm: %_install_langs), or use `jettison slim`"
            }
            Self::Development => "build in a stage of its own, and COPY --from only what runs",
            Self::ByteCode => {
                "install with --no-compile and set PYTHONDONTWRITEBYTECODE=1, if a slower first start is no matter"
            }
            Self::PackageTwice => "install it in one place",
            Self::LibraryTwice => "install one build, and let both users load it",
            Self::Duplicate => "keep one, and link to it from the other places",
        }
    }
}

impl std::str::FromStr for Cause {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = CAUSES.iter().find(|cause| cause.name() == text);
        found.copied().ok_or_else(|| {
            let names: Vec<&str> = CAUSES.iter().map(|cause| cause.name()).collect();
            format!("`{text}` is no cause; there are {}", names.join(", "))
        })
    }
}
