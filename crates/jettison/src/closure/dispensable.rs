//! Files that nothing misses, though what they belong to is kept.

use layer::NodeId;

use super::collector::Collector;
use super::libraries;
use super::superseded::is_superseded;

/// Functions that mark a plug-in which only makes things faster, and whose lack is documented to be no error.
///
/// `_PG_jit_provider_init`: PostgreSQL compiles parts of queries with it, through LLVM, which is larger
/// than all the rest. "If set to a non-existent library, JIT will not be available, but no error will be
/// raised. This allows JIT support to be installed separately" (its manual, `jit_provider`).
const ACCELERATORS: &[&str] = &["_PG_jit_provider_init"];

/// Longest plug-in that is searched for the functions in [`ACCELERATORS`].
const LONGEST_PLUGIN: u64 = 16 << 20;

/// Directories of drivers of graphics hardware, below that of libraries: Mesa's DRI (Mesa documentation,
/// "Environment Variables", `LIBGL_DRIVERS_PATH`), VA-API (libva, `LIBVA_DRIVERS_PATH`) and VDPAU. They work on a
/// device of the host, which runs of the image in a sandbox do not have, or for a display server.
const GRAPHICS_DRIVERS: &[&[u8]] = &[b"dri", b"vdpau"];

/// Servers of X.Org (Xserver(1), Xvfb(1), Xwayland(1)) and others that are built from them: with one of them in
/// the image Mesa renders without hardware.
const DISPLAY_SERVERS: &[&str] = &["Xorg", "Xvfb", "Xwayland", "Xephyr", "Xvnc", "Xtigervnc"];

/// Returns whether a file is the driver of a device that is not there.
pub(super) fn is_idle_driver(collector: &Collector<'_>, node: NodeId) -> bool {
    let tree = collector.tree();
    let directory = tree.parent(node);
    if !GRAPHICS_DRIVERS.contains(&tree.name(directory)) {
        return false;
    }
    let libraries = tree.absolute(tree.parent(directory));
    let is_driver = libraries::DIRECTORIES
        .iter()
        .any(|path| path.as_bytes() == libraries);
    let serves = |name: &&str| collector.find_command(name.as_bytes()).is_some();
    is_driver && !DISPLAY_SERVERS.iter().any(serves)
}

/// Why nothing misses a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dispensable {
    /// A plug-in that compiles at run time, for speed.
    Accelerator,
    /// The driver of a device that is not there.
    IdleDriver,
    /// A first state of a service, which makes its own elsewhere.
    Superseded,
}

/// Returns why nothing misses a file that came along, if that is known.
pub(super) fn why_dispensable(collector: &Collector<'_>, node: NodeId) -> Option<Dispensable> {
    if collector.tree().is_directory(node) {
        None
    } else if is_idle_driver(collector, node) {
        Some(Dispensable::IdleDriver)
    } else if is_accelerator(collector, node) {
        Some(Dispensable::Accelerator)
    } else {
        is_superseded(collector, node).then_some(Dispensable::Superseded)
    }
}

fn is_accelerator(collector: &Collector<'_>, node: NodeId) -> bool {
    let tree = collector.tree();
    if !tree.name(node).ends_with(b".so") || tree.content(node).is_none() {
        return false;
    }
    let Ok(Some(object)) = collector.loader.object(node) else {
        return false;
    };
    let compiles = object
        .needed
        .iter()
        .any(|name| name.starts_with(b"libLLVM"));
    compiles
        && collector.read(node, LONGEST_PLUGIN).is_ok_and(|bytes| {
            ACCELERATORS
                .iter()
                .any(|name| memchr::memmem::find(&bytes, name.as_bytes()).is_some())
        })
}

/// Returns the library without which a file is never read, for what came along: LLVM for
/// its byte code (LLVM Language Reference, "Bitcode file format"). The inner `None` means that
/// the image has none.
pub(super) fn reader_of(collector: &Collector<'_>, node: NodeId) -> Option<Option<NodeId>> {
    let tree = collector.tree();
    if !tree.name(node).ends_with(b".bc") || collector.read(node, 4).ok()? != b"BC\xc0\xde" {
        return None;
    }
    let directories = libraries::DIRECTORIES
        .iter()
        .filter_map(|path| Some(tree.resolve(path.as_bytes()).ok()?.node));
    let mut libraries = directories.flat_map(|directory| tree.children(directory));
    let llvm = libraries
        .find(|node| tree.name(*node).starts_with(b"libLLVM") && tree.content(*node).is_some());
    Some(llvm)
}
