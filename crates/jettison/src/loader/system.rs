//! One dynamic loader of an image: which C library it belongs to, and where it
//! looks when the objects themselves do not say.

use std::sync::Arc;

use layer::NodeId;

use super::cache::Cache;
use super::machine::{self, Machine};
use super::{Candidate, Error, Loader, config};
use crate::elf::{self, Class, Object, strings};

/// Bytes of `ld.so.cache`; one with ten thousand libraries has 1 MiB.
const MAX_CACHE: u64 = 64 << 20;

/// Whose rules a dynamic loader follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// The GNU C library.
    Glibc,
    /// musl.
    Musl,
    /// Another, or none that is known; treated as glibc.
    Other,
}

/// One dynamic loader and its configuration.
#[derive(Debug)]
pub(super) struct System {
    pub(super) flavour: Flavour,
    /// The path in `PT_INTERP`, or the one that a library is likely to meet.
    pub(super) path: Option<Vec<u8>>,
    pub(super) interpreter: Option<Candidate>,
    /// Searched last, in order.
    pub(super) defaults: Vec<Vec<u8>>,
    pub(super) cache: Option<Cache>,
    /// What ldconfig would put into the cache, where there is none.
    pub(super) configured: Vec<Vec<u8>>,
    /// Libraries of `/etc/ld.so.preload`.
    pub(super) preload: Vec<Vec<u8>>,
    /// Values of `$LIB`.
    pub(super) lib: Vec<Vec<u8>>,
    /// Values of `$PLATFORM`.
    pub(super) platform: Vec<Vec<u8>>,
}

impl System {
    /// Works out the loader for a program, or for a library without one.
    pub(super) fn of(loader: &Loader<'_>, root: &Object) -> Result<Self, Error> {
        let machine = machine::of(root);
        let path = match &root.interpreter {
            Some(path) => Some(path.clone()),
            None => likely_interpreter(loader, root, machine)?,
        };
        let interpreter = match &path {
            Some(path) => loader.candidate(path, None)?,
            None => None,
        };
        let flavour = flavour(loader, path.as_deref(), interpreter.as_ref());
        let mut system = Self {
            flavour,
            path,
            interpreter,
            defaults: Vec::new(),
            cache: None,
            configured: Vec::new(),
            preload: Vec::new(),
            lib: Vec::new(),
            platform: Vec::new(),
        };
        match flavour {
            Flavour::Musl => system.set_up_musl(loader, machine)?,
            Flavour::Glibc | Flavour::Other => system.set_up_glibc(loader, root, machine)?,
        }
        Ok(system)
    }

    fn set_up_glibc(
        &mut self,
        loader: &Loader<'_>,
        root: &Object,
        machine: Option<Machine>,
    ) -> Result<(), Error> {
        let compiled = self.compiled_in(loader)?;
        self.defaults = if compiled.directories.is_empty() {
            usual_directories(root, machine)
        } else {
            compiled.directories
        };
        self.lib = self.lib_values(loader, root, machine);
        let platforms = machine.map_or(&[][..], |machine| machine.platforms);
        self.platform = platforms
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        let cache = compiled
            .cache
            .unwrap_or_else(|| b"/etc/ld.so.cache".to_vec());
        let bytes = config::read_up_to(loader, &cache, MAX_CACHE)?;
        self.cache = bytes.and_then(|(_, bytes)| Cache::parse(bytes));
        if self.cache.is_none() {
            self.configured = config::configured(loader)?;
        }
        self.preload = config::preloaded(loader)?;
        Ok(())
    }

    fn set_up_musl(&mut self, loader: &Loader<'_>, machine: Option<Machine>) -> Result<(), Error> {
        // The directory above the loader's own, as in musl's load_library().
        let path = self.path.as_deref().unwrap_or_default();
        let mut prefix = path;
        for _ in 0..2 {
            prefix = &prefix[..memchr::memrchr(b'/', prefix).unwrap_or(0)];
        }
        let name = &path[memchr::memrchr(b'/', path).map_or(0, |slash| slash + 1)..];
        let arch = name
            .strip_prefix(b"ld-musl-")
            .and_then(|rest| rest.strip_suffix(b".so.1"))
            .or(machine.map(|machine| machine.musl.as_bytes()))
            .unwrap_or_default();
        let file = [prefix, b"/etc/ld-musl-", arch, b".path"].concat();
        self.defaults = match config::musl_path(loader, &file)? {
            Some(directories) => directories,
            None => [&b"/lib"[..], b"/usr/local/lib", b"/usr/lib"]
                .map(<[u8]>::to_vec)
                .into(),
        };
        Ok(())
    }

    /// Reads from the loader itself what its distribution compiled into it.
    fn compiled_in(&self, loader: &Loader<'_>) -> Result<CompiledIn, Error> {
        let mut compiled = CompiledIn::default();
        let Some(interpreter) = &self.interpreter else {
            return Ok(compiled);
        };
        let Some(source) = loader.file(interpreter.node) else {
            return Ok(compiled);
        };
        let scanned = strings::terminated(source, &interpreter.object.data, |string| {
            compiled.add(string);
        });
        match scanned {
            Err(elf::Error::Read { source, .. }) => Err(Error::Read {
                path: loader.tree().absolute(interpreter.node),
                source,
            }),
            // Too large to be a loader; the usual directories will do.
            Ok(()) | Err(_) => Ok(compiled),
        }
    }

    /// Returns what `$LIB` stands for: the directory that the loader was
    /// installed to, without prefix; every usual value where it is not there.
    fn lib_values(
        &self,
        loader: &Loader<'_>,
        root: &Object,
        machine: Option<Machine>,
    ) -> Vec<Vec<u8>> {
        let multiarch = machine.map(|machine| format!("lib/{}", machine.triplet).into_bytes());
        if let Some(interpreter) = &self.interpreter {
            let tree = loader.tree();
            let directory = tree.path(tree.parent(interpreter.node));
            if let Some(multiarch) = multiarch.clone().filter(|lib| directory.ends_with(lib)) {
                return vec![multiarch];
            }
            let slash = memchr::memrchr(b'/', &directory).map_or(0, |slash| slash + 1);
            return vec![directory[slash..].to_vec()];
        }
        let wide = (root.class == Class::Bits64).then(|| b"lib64".to_vec());
        multiarch
            .into_iter()
            .chain(wide)
            .chain([b"lib".to_vec()])
            .collect()
    }
}

/// What a distribution compiles into glibc's loader.
#[derive(Debug, Default)]
struct CompiledIn {
    /// `system_dirs` of elf/dl-load.c.
    directories: Vec<Vec<u8>>,
    /// `LD_SO_CACHE`; elsewhere than in `/etc` on Nix and Guix.
    cache: Option<Vec<u8>>,
}

impl CompiledIn {
    fn add(&mut self, string: &[u8]) {
        if !string.starts_with(b"/") {
            return;
        }
        if string.ends_with(b"/ld.so.cache") {
            self.cache.get_or_insert_with(|| string.to_vec());
        }
        // The only directories that it has with a slash at the end.
        let Some(directory) = string.strip_suffix(b"/") else {
            return;
        };
        let is_library = layer::components(directory).any(|part| part.starts_with(b"lib"));
        let known = self.directories.iter().any(|other| other == directory);
        if is_library && !known && self.directories.len() < 16 {
            self.directories.push(directory.to_vec());
        }
    }
}

/// Returns the default directories of the common distributions.
fn usual_directories(root: &Object, machine: Option<Machine>) -> Vec<Vec<u8>> {
    let mut directories = Vec::new();
    let mut add = |name: &str| {
        for prefix in ["/", "/usr/"] {
            directories.push(format!("{prefix}{name}").into_bytes());
        }
    };
    if let Some(machine) = machine {
        add(&format!("lib/{}", machine.triplet));
    }
    if root.class == Class::Bits64 {
        add("lib64");
    }
    add("lib");
    directories
}

fn flavour(loader: &Loader<'_>, path: Option<&[u8]>, interpreter: Option<&Candidate>) -> Flavour {
    // Alpine's libc6-compat and gcompat put glibc's name on musl's file, so the
    // file at the end of the links decides before the name does.
    let file = interpreter.map(|found| loader.tree().name(found.node));
    let soname = interpreter.and_then(|found| found.object.soname.as_deref());
    let name = path.map(|path| &path[memchr::memrchr(b'/', path).map_or(0, |slash| slash + 1)..]);
    for name in [file, soname, name].into_iter().flatten() {
        if name.starts_with(b"ld-musl") || name.starts_with(b"libc.musl") || name == b"libc.so" {
            return Flavour::Musl;
        }
        if name.starts_with(b"ld-linux")
            || name.starts_with(b"ld64.so")
            || name.starts_with(b"ld-2.")
        {
            return Flavour::Glibc;
        }
    }
    Flavour::Other
}

/// Returns the loader of the programs that a library is likely made for.
fn likely_interpreter(
    loader: &Loader<'_>,
    root: &Object,
    machine: Option<Machine>,
) -> Result<Option<Vec<u8>>, Error> {
    let wants = |test: fn(&[u8]) -> bool| root.needed.iter().any(|name| test(name));
    let musl = wants(|name| name.starts_with(b"libc.musl-") || name == b"libc.so");
    let glibc = wants(|name| name == b"libc.so.6" || name.starts_with(b"ld-linux"));
    let glibc_loaders = machine.map_or(&[][..], |machine| machine.glibc);
    let glibc_loaders = glibc_loaders.iter().map(|path| path.as_bytes().to_vec());
    let musl_loaders = musl_loaders(loader);
    let paths: Vec<Vec<u8>> = match (glibc, musl) {
        (false, true) => musl_loaders,
        (true, false) => glibc_loaders.collect(),
        _ => glibc_loaders.chain(musl_loaders).collect(),
    };
    for path in paths {
        if loader.candidate(&path, Some(root))?.is_some() {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn musl_loaders(loader: &Loader<'_>) -> Vec<Vec<u8>> {
    let tree = loader.tree();
    let Ok(lib) = tree.resolve(b"/lib") else {
        return Vec::new();
    };
    let names = tree
        .children(lib.node)
        .into_iter()
        .map(|node: NodeId| tree.name(node));
    names
        .filter(|name| name.starts_with(b"ld-musl-"))
        .map(|name| [b"/lib/", name].concat())
        .collect()
}

/// Distinguishes the systems of one image.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct SystemKey {
    interpreter: Option<Vec<u8>>,
    class: Class,
    endian: elf::Endian,
    machine: u16,
    flags: u32,
    /// For libraries: what tells the C libraries apart.
    libc: Vec<Vec<u8>>,
}

impl SystemKey {
    pub(super) fn of(root: &Object) -> Self {
        let libc = match root.interpreter {
            Some(_) => Vec::new(),
            None => {
                let names = root.needed.iter();
                let names =
                    names.filter(|name| name.starts_with(b"libc.") || name.starts_with(b"ld-"));
                names.cloned().collect()
            }
        };
        Self {
            interpreter: root.interpreter.clone(),
            class: root.class,
            endian: root.endian,
            machine: root.machine,
            flags: root.flags,
            libc,
        }
    }
}

pub(super) type SharedSystem = Arc<System>;
