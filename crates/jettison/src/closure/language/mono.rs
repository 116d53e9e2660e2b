//! Mono: libraries that assemblies call, by the names that its configuration translates.
//!
//! An assembly names a library as on Windows; `/etc/mono/config`, and `NAME.dll.config` beside an assembly, say what that is
//! elsewhere (mono-config(5), `dllmap`). The names are strings of its metadata (ECMA-335, II.22.31 "ModuleRef", II.24.2.3
//! "#Strings heap"): each ends in a zero byte, and so does what is before it.

use layer::NodeId;
use layer::tree::resolve::Lookup;
use memchr::memmem;

use super::Language;
use crate::closure::collector::Collector;
use crate::closure::{Error, libraries};

/// Where the translations of all assemblies are.
const CONFIG: &[u8] = b"etc/mono/config";
/// Larger files are no settings.
const LARGEST_CONFIG: u64 = 1 << 20;
/// Larger files are no assemblies.
const LARGEST: u64 = 64 << 20;
/// What stands for the directory of Mono's own libraries, which its package has.
const OWN: &str = "$mono_libdir/";

pub(super) struct Mono;

impl Language for Mono {
    fn variables(&self) -> &'static [&'static str] {
        &["MONO_CFG_DIR"]
    }

    fn keep(&self, _collector: &mut Collector<'_>, _interpreter: NodeId) {
        // Assemblies are of packages, or of the application.
    }

    fn examine(
        &self,
        collector: &mut Collector<'_>,
        node: NodeId,
        first: &[u8],
    ) -> Result<bool, Error> {
        let tree = collector.tree();
        let name = tree.name(node).to_ascii_lowercase();
        let is_assembly = first.starts_with(b"MZ")
            && (name.ends_with(b".dll") || name.ends_with(b".exe"))
            && tree.size(node) <= LARGEST;
        let Ok(general) = tree.resolve_at(tree.root(), CONFIG, Lookup::STAT) else {
            return Ok(false);
        };
        if !is_assembly {
            return Ok(false);
        }
        let own = [tree.name(node), b".config"].concat();
        let own = tree.child(tree.parent(node), &own);
        let bytes = collector.read(node, LARGEST)?;
        for config in [Some(general.node), own].into_iter().flatten() {
            let text = collector.read(config, LARGEST_CONFIG)?;
            for (named, target) in translations(&String::from_utf8_lossy(&text)) {
                let word = [b"\0", named.as_bytes(), b"\0"].concat();
                if memmem::find(&bytes, &word).is_some() {
                    libraries::keep(collector, node, target.as_bytes());
                }
            }
        }
        Ok(true)
    }
}

/// Returns names and what they are translated to on Linux.
fn translations(config: &str) -> impl Iterator<Item = (&str, &str)> {
    let elements = config.split('<');
    elements.filter_map(|element| {
        let element = element.strip_prefix("dllmap")?.split('>').next()?;
        let (named, target) = (attribute(element, "dll")?, attribute(element, "target")?);
        let is_ours = match attribute(element, "os") {
            Some(systems) => match systems.strip_prefix('!') {
                Some(others) => !others.split(',').any(|system| system == "linux"),
                None => systems.split(',').any(|system| system == "linux"),
            },
            None => true,
        };
        // `i:` says that upper and lower case are the same; assemblies are written in the one of the table.
        let named = named.strip_prefix("i:").unwrap_or(named);
        let target = target.strip_prefix(OWN).unwrap_or(target);
        is_ours.then_some((named, target))
    })
}

/// Returns the value of an attribute of an element.
fn attribute<'e>(element: &'e str, name: &str) -> Option<&'e str> {
    let (_, rest) = element.split_once(&format!(" {name}=\""))?;
    Some(rest.split_once('"')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn translations_are_those_of_this_system() {
        let config = "<configuration>\n\
            \t<dllmap dll=\"gdiplus\" target=\"libgdiplus.so.0\" os=\"!windows\"/>\n\
            \t<dllmap dll=\"i:odbc32.dll\" target=\"libiodbc.dylib\" os=\"osx\"/>\n\
            \t<dllmap dll=\"i:odbc32.dll\" target=\"libodbc.so.2\" os=\"linux,solaris\" />\n\
            \t<dllmap dll=\"x\" target=\"y\" os=\"!linux,osx\"/><dllmap dll=\"none\"/>\n\
            \t<dllmap dll=\"native\" target=\"$mono_libdir/libmono-native.so\"/>\n</configuration>";
        let found: Vec<_> = translations(config).collect();
        assert_eq!(
            found,
            [
                ("gdiplus", "libgdiplus.so.0"),
                ("odbc32.dll", "libodbc.so.2"),
                ("native", "libmono-native.so"),
            ]
        );
    }
}
