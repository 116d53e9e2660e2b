//! Images with a package database.

use testkit::elf;
use testkit::tree::Builder;

/// Returns what is kept of layers, each made by one instruction.
pub(crate) fn kept_of(layers: &[Builder], json: &str) -> String {
    let tars = layers.iter().map(Builder::tar).collect();
    let instructions = vec!["ADD base.tar /"; layers.len()];
    super::kept_of_layers(tars, &instructions, json)
}

/// A package of dpkg: its stanza, and its files.
pub(crate) struct Package {
    pub(crate) name: &'static str,
    pub(crate) fields: &'static str,
    pub(crate) files: &'static [&'static str],
}

/// Adds the database to a layer; `automatic` came along with others.
pub(crate) fn installed(layer: Builder, packages: &[Package], automatic: &[&str]) -> Builder {
    let stanza = |package: &Package| {
        format!(
            "Package: {}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n{}\n",
            package.name, package.fields
        )
    };
    let status: String = packages.iter().map(stanza).collect();
    let states = automatic
        .iter()
        .map(|name| format!("Package: {name}\nArchitecture: amd64\nAuto-Installed: 1\n\n"));
    let layer = layer
        .file("var/lib/dpkg/status", status)
        .file("var/lib/apt/extended_states", states.collect::<String>());
    packages.iter().fold(layer, |layer, package| {
        let list = format!("var/lib/dpkg/info/{}.list", package.name);
        let lines: String = package
            .files
            .iter()
            .map(|path| format!("{path}\n"))
            .collect();
        layer.file(&list, lines)
    })
}

/// Describes a package.
pub(crate) const fn package(
    name: &'static str,
    fields: &'static str,
    files: &'static [&'static str],
) -> Package {
    Package {
        name,
        fields,
        files,
    }
}

/// What makes the database one of a whole system.
pub(crate) const ESSENTIAL: Package =
    package("dash", "Essential: yes\n", &["/bin/sh", "/usr/bin/awk"]);

/// A library of some size.
pub(crate) fn library(bytes: usize) -> Vec<u8> {
    elf::Builder::library().data("x".repeat(bytes)).build()
}
