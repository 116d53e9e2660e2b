//! One library, looked for as the loader looks for it.

use std::sync::Arc;

use layer::NodeId;

use super::expand::{Tokens, expand, has_unknown_to_musl};
use super::system::System;
use super::{Candidate, Error, Flavour, Loader};
use crate::elf::Object;

/// Directories of one search path. Real ones have a handful.
const MAX_DIRECTORIES: usize = 4096;
/// Directories reported for a library that is missing.
const MAX_SEARCHED: usize = 256;
/// Bytes of one directory (`PATH_MAX`).
const MAX_PATH: usize = 4096;
/// Bytes of one file name (`NAME_MAX`).
const MAX_NAME: usize = 255;

/// Subdirectories in which glibc before 2.37 looked first, on processors that
/// have the feature of that name; they can be nested.
const LEGACY_HWCAPS: &[&[u8]] = &[
    b"tls",
    b"x86_64",
    b"haswell",
    b"xeon_phi",
    b"avx512_1",
    b"i686",
    b"i586",
    b"i486",
    b"sse2",
    b"cmov",
    b"nosegneg",
    b"atomics",
    b"neon",
    b"vfp",
    b"half",
    b"thumb",
    b"v6l",
    b"v7l",
    b"v8l",
    b"power6",
    b"power7",
    b"power8",
    b"power9",
    b"power10",
    b"ppc970",
    b"z900",
    b"z990",
    b"z9-109",
    b"z10",
    b"z196",
    b"zEC12",
    b"z13",
    b"z14",
    b"z15",
];
/// How deep they were nested at most, in practice.
const LEGACY_DEPTH: usize = 3;

/// An object that asks for a library.
#[derive(Debug, Clone, Copy)]
pub struct Requester<'r> {
    /// Its facts.
    pub object: &'r Object,
    /// Its directory, which `$ORIGIN` stands for: of a program, that of the file
    /// itself; of a library, that of the path by which it was found.
    pub origin: &'r [u8],
}

/// A library asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'r> {
    /// As in `DT_NEEDED`, or as passed to dlopen(3).
    pub name: &'r [u8],
    /// Who asks.
    pub requester: Requester<'r>,
    /// Who loaded the requester, who loaded that one, and so on; the program
    /// last. Empty when the program asks itself.
    pub ancestors: &'r [Requester<'r>],
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Search {
    /// It is there.
    Found(Found),
    /// It is not.
    Missing(Missing),
}

/// A library that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The file that any host loads; the first of the alternatives, and not
    /// listed among them, where every file is for certain processors only.
    pub file: Variant,
    /// What led there.
    pub rule: Rule,
    /// Files that hosts with certain processors load instead.
    pub alternatives: Vec<Variant>,
}

/// A file that is loaded for a library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// The file, behind all links.
    pub node: NodeId,
    /// The path by which the loader knows it.
    pub path: Vec<u8>,
    /// The symbolic links that were followed, in order.
    pub links: Vec<NodeId>,
    /// Its facts.
    pub object: Arc<Object>,
}

/// A library that was not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The directories that were searched, in order, 256 at most; the path
    /// itself, where the name had a slash.
    pub searched: Vec<Vec<u8>>,
}

/// Why a file is loaded for a name, in the order in which the rules apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// It has that name already: loaded before, or the C library itself.
    Loaded,
    /// The name is a path.
    Path,
    /// `DT_RPATH` of the requester or an ancestor; in musl also `DT_RUNPATH`.
    Rpath,
    /// `LD_LIBRARY_PATH`.
    LibraryPath,
    /// `DT_RUNPATH` of the requester.
    Runpath,
    /// `ld.so.cache`.
    Cache,
    /// A default directory, or one of musl's path file.
    Default,
    /// A directory of `ld.so.conf` that ldconfig would have put into the cache;
    /// there is none, so the loader of this image does not look there.
    Configured,
}

impl Loader<'_> {
    /// Looks for a library.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn find(&self, request: &Request<'_>) -> Result<Search, Error> {
        let root = request.ancestors.last().unwrap_or(&request.requester);
        let system = self.system(root.object)?;
        Hunt {
            loader: self,
            system: &system,
            request,
            first: None,
            alternatives: Vec::new(),
            searched: Vec::new(),
        }
        .run()
    }
}

/// A search under way.
struct Hunt<'s, 'a> {
    loader: &'s Loader<'a>,
    system: &'s System,
    request: &'s Request<'s>,
    /// The rule that led to the first variant.
    first: Option<Rule>,
    alternatives: Vec<Variant>,
    searched: Vec<Vec<u8>>,
}

impl Hunt<'_, '_> {
    fn run(mut self) -> Result<Search, Error> {
        let name = self.request.name;
        let found = if name.contains(&b'/') {
            self.at_path(name)?
        } else if name.is_empty() || name.len() > MAX_NAME {
            None
        } else if self.system.flavour == Flavour::Musl {
            self.as_musl()?
        } else {
            self.as_glibc()?
        };
        if let Some((file, rule)) = found {
            self.alternatives.retain(|other| other.node != file.node);
            return Ok(Search::Found(Found {
                file,
                rule,
                alternatives: self.alternatives,
            }));
        }
        // Only for some processors, or for none.
        Ok(match self.first {
            Some(rule) => {
                let file = self.alternatives.remove(0);
                let alternatives = self.alternatives;
                Search::Found(Found {
                    file,
                    rule,
                    alternatives,
                })
            }
            None => Search::Missing(Missing {
                searched: self.searched,
            }),
        })
    }

    fn at_path(&mut self, name: &[u8]) -> Result<Option<(Variant, Rule)>, Error> {
        let paths = if self.system.flavour == Flavour::Musl {
            vec![name.to_vec()]
        } else {
            expand(name, &self.tokens(self.request.requester.origin))
        };
        for path in paths {
            if let Some(candidate) = self.open(&path)? {
                return Ok(Some((candidate.into(), Rule::Path)));
            }
            self.searched.push(path);
        }
        Ok(None)
    }

    /// The order of `_dl_map_object` (elf/dl-load.c).
    fn as_glibc(&mut self) -> Result<Option<(Variant, Rule)>, Error> {
        let requester = self.request.requester;
        if requester.object.runpath.is_none() {
            for by in std::iter::once(&requester).chain(self.request.ancestors) {
                // An object with both has no RPATH (elf/get-dynamic-info.h).
                let Some(path) = &by.object.rpath else {
                    continue;
                };
                if by.object.runpath.is_none() {
                    let directories = self.split(path, b":", by.origin);
                    if let Some(found) = self.in_directories(&directories, Rule::Rpath)? {
                        return Ok(Some(found));
                    }
                }
            }
        }
        if let Some(path) = &self.loader.environment.library_path {
            let program = self.request.ancestors.last().unwrap_or(&requester);
            let directories = self.split(path, b":;", program.origin);
            if let Some(found) = self.in_directories(&directories, Rule::LibraryPath)? {
                return Ok(Some(found));
            }
        }
        if let Some(path) = &requester.object.runpath {
            let directories = self.split(path, b":", requester.origin);
            if let Some(found) = self.in_directories(&directories, Rule::Runpath)? {
                return Ok(Some(found));
            }
        }
        let no_defaults = requester.object.no_default_libraries;
        if let Some(found) = self.in_cache(no_defaults)? {
            return Ok(Some(found));
        }
        if !no_defaults {
            let system = self.system;
            if let Some(found) = self.in_directories(&system.defaults, Rule::Default)? {
                return Ok(Some(found));
            }
            return self.in_directories(&system.configured, Rule::Configured);
        }
        Ok(None)
    }

    /// The order of `load_library` (ldso/dynlink.c).
    fn as_musl(&mut self) -> Result<Option<(Variant, Rule)>, Error> {
        let name = self.request.name;
        if let Some(own) = &self.system.interpreter
            && is_musl_itself(name, self.loader.tree().name(own.node))
        {
            return Ok(Some((own.clone().into(), Rule::Loaded)));
        }
        if let Some(path) = &self.loader.environment.library_path {
            let directories: Vec<Vec<u8>> = elements(path, b":\n")
                .filter(|directory| !directory.is_empty())
                .map(<[u8]>::to_vec)
                .collect();
            if let Some(found) = self.in_directories(&directories, Rule::LibraryPath)? {
                return Ok(Some(found));
            }
        }
        let requester = self.request.requester;
        for by in std::iter::once(&requester).chain(self.request.ancestors) {
            let path = by.object.runpath.as_ref().or(by.object.rpath.as_ref());
            let Some(path) = path.filter(|path| !has_unknown_to_musl(path)) else {
                continue;
            };
            let mut directories = self.split(path, b":\n", by.origin);
            directories.retain(|directory| !directory.is_empty());
            if let Some(found) = self.in_directories(&directories, Rule::Rpath)? {
                return Ok(Some(found));
            }
        }
        self.in_directories(&self.system.defaults, Rule::Default)
    }

    fn in_cache(&mut self, no_defaults: bool) -> Result<Option<(Variant, Rule)>, Error> {
        let system = self.system;
        let Some(cache) = &system.cache else {
            return Ok(None);
        };
        for cached in cache.find(self.request.name) {
            let directory = super::directory_of(cached.path);
            if no_defaults && system.defaults.iter().any(|other| other == directory) {
                continue;
            }
            let Some(candidate) = self.open(cached.path)? else {
                continue;
            };
            if cached.variant {
                self.add_alternative(candidate, Rule::Cache);
            } else {
                return Ok(Some((candidate.into(), Rule::Cache)));
            }
        }
        Ok(None)
    }

    fn in_directories(
        &mut self,
        directories: &[Vec<u8>],
        rule: Rule,
    ) -> Result<Option<(Variant, Rule)>, Error> {
        for directory in directories {
            if self.system.flavour != Flavour::Musl {
                for variant in self.hwcaps(directory) {
                    if let Some(candidate) = self.open(&joined(&variant, self.request.name))? {
                        self.add_alternative(candidate, rule);
                    }
                }
            }
            if let Some(candidate) = self.open(&joined(directory, self.request.name))? {
                return Ok(Some((candidate.into(), rule)));
            }
            if self.searched.len() < MAX_SEARCHED && !self.searched.contains(directory) {
                self.searched.push(directory.clone());
            }
        }
        Ok(None)
    }

    fn open(&self, path: &[u8]) -> Result<Option<Candidate>, Error> {
        self.loader
            .candidate(path, Some(self.request.requester.object))
    }

    fn add_alternative(&mut self, candidate: Candidate, rule: Rule) {
        self.first.get_or_insert(rule);
        let known = |other: &Variant| other.node == candidate.node;
        if !self.alternatives.iter().any(known) {
            self.alternatives.push(candidate.into());
        }
    }

    /// Returns the subdirectories in which some processors look first.
    fn hwcaps(&self, directory: &[u8]) -> Vec<Vec<u8>> {
        let tree = self.loader.tree();
        let Ok(found) = tree.resolve(directory) else {
            return Vec::new();
        };
        let mut variants = Vec::new();
        if let Ok(hwcaps) = tree.resolve(&joined(directory, b"glibc-hwcaps")) {
            // The best ones have the last names: x86-64-v4, x86-64-v3, ...
            for child in tree.children(hwcaps.node).into_iter().rev() {
                let name = [b"glibc-hwcaps/", tree.name(child)].concat();
                variants.push(joined(directory, &name));
            }
        }
        let mut pending = vec![(found.node, directory.to_vec(), 0)];
        while let Some((node, path, depth)) = pending.pop() {
            for name in LEGACY_HWCAPS {
                if depth < LEGACY_DEPTH
                    && let Some(child) = tree.child(node, name)
                    && tree.is_directory(child)
                {
                    let path = joined(&path, name);
                    variants.push(path.clone());
                    pending.push((child, path, depth + 1));
                }
            }
        }
        variants
    }

    fn tokens<'t>(&'t self, origin: &'t [u8]) -> Tokens<'t> {
        Tokens {
            origin,
            lib: &self.system.lib,
            platform: &self.system.platform,
        }
    }

    /// Splits a search path and expands its elements.
    fn split(&self, path: &[u8], separators: &[u8], origin: &[u8]) -> Vec<Vec<u8>> {
        let tokens = self.tokens(origin);
        elements(path, separators)
            .flat_map(|element| expand(element, &tokens))
            .take(MAX_DIRECTORIES)
            .collect()
    }
}

impl From<Candidate> for Variant {
    fn from(candidate: Candidate) -> Self {
        Self {
            node: candidate.node,
            path: candidate.path,
            links: candidate.links,
            object: candidate.object,
        }
    }
}

/// Iterates over the elements of a search path that can be directories.
fn elements<'p>(path: &'p [u8], separators: &'p [u8]) -> impl Iterator<Item = &'p [u8]> {
    path.split(move |byte| separators.contains(byte))
        .filter(|element| element.len() <= MAX_PATH)
        .take(MAX_DIRECTORIES)
}

/// Joins a directory and a name; an empty directory is the working directory.
fn joined(directory: &[u8], name: &[u8]) -> Vec<u8> {
    match directory {
        [] => name.to_vec(),
        [.., b'/'] => [directory, name].concat(),
        _ => [directory, b"/", name].concat(),
    }
}

/// Returns whether musl takes a name for one of its own parts, or for the loader.
fn is_musl_itself(name: &[u8], loader: &[u8]) -> bool {
    const PARTS: [&[u8]; 7] = [b"c", b"pthread", b"rt", b"m", b"dl", b"util", b"xnet"];
    let part = name.strip_prefix(b"lib").and_then(|rest| {
        let dot = memchr::memchr(b'.', rest)?;
        Some(&rest[..dot])
    });
    part.is_some_and(|part| PARTS.contains(&part)) || name == loader
}
