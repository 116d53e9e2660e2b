//! Everything that a package manager put into an image: of the system (dpkg,
//! apk, rpm) and of languages (pip, npm, gem, Maven), and whose each file is.
//!
//! A file of a package of the system is that one's, even where it is also part
//! of a language's package: distributions ship those too.

mod languages;

use image::FileSystem;
use layer::NodeId;

use crate::packages::{self, Format, Package, PackageDb};

/// Which package manager installed a package.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Manager {
    /// dpkg and apt.
    Deb,
    /// apk of Alpine.
    Apk,
    /// rpm.
    Rpm,
    /// pip and whatever else installs wheels.
    Pip,
    /// npm and its like.
    Npm,
    /// RubyGems.
    Gem,
    /// Java archives.
    Maven,
}

impl Manager {
    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deb => "deb",
            Self::Apk => "apk",
            Self::Rpm => "rpm",
            Self::Pip => "pip",
            Self::Npm => "npm",
            Self::Gem => "gem",
            Self::Maven => "maven",
        }
    }
}

/// What a package is for, where that is not running programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Building other software.
    Development,
    /// Debugging.
    Debug,
    /// Reading.
    Documentation,
    /// Other languages.
    Localization,
}

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledPackage {
    /// Who installed it.
    pub manager: Manager,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where it is, for packages of languages.
    pub place: Option<NodeId>,
    /// What it is for.
    pub purpose: Option<Purpose>,
}

/// The packages of an image and their files.
#[derive(Debug, Clone, Default)]
pub struct Installed {
    packages: Vec<InstalledPackage>,
    /// By node, the package; [`NONE`] for files of none.
    owners: Vec<u32>,
}

const NONE: u32 = u32::MAX;

impl Installed {
    /// Finds the packages of an image.
    ///
    /// # Errors
    /// When a file of the image cannot be read; databases that make no sense are passed over.
    pub fn read(files: &FileSystem) -> Result<Self, packages::Error> {
        let db = PackageDb::read(&files.tree, &files.contents)?;
        let mut installed = Self {
            packages: Vec::new(),
            owners: vec![NONE; files.tree.node_bound()],
        };
        for (id, package) in db.packages() {
            let manager = match db.databases()[package.database].format {
                Format::Dpkg | Format::DpkgSplit => Manager::Deb,
                Format::Apk => Manager::Apk,
                Format::Rpm | Format::RpmNdb | Format::RpmBerkeley => Manager::Rpm,
            };
            let added = installed.add(InstalledPackage {
                manager,
                name: package.name.clone(),
                version: package.version.clone(),
                place: None,
                purpose: purpose(manager, package),
            });
            for node in db.files(id) {
                installed.claim(added, *node);
            }
        }
        languages::read(files, &mut installed);
        Ok(installed)
    }

    /// Returns all packages.
    pub fn packages(&self) -> &[InstalledPackage] {
        &self.packages
    }

    /// Returns the package that a file is from: an index into [`Installed::packages`].
    pub fn owner(&self, node: NodeId) -> Option<usize> {
        let owner = *self.owners.get(node.index())?;
        (owner != NONE).then_some(owner as usize)
    }

    /// Returns what the package that a file is from is for.
    pub fn purpose(&self, node: NodeId) -> Option<Purpose> {
        self.packages[self.owner(node)?].purpose
    }

    fn add(&mut self, package: InstalledPackage) -> u32 {
        self.packages.push(package);
        (self.packages.len() - 1) as u32
    }

    /// Gives a file to a package, unless it is another's. Returns whether it is the package's.
    fn claim(&mut self, package: u32, node: NodeId) -> bool {
        let owner = &mut self.owners[node.index()];
        if *owner == NONE {
            *owner = package;
        }
        *owner == package
    }
}

/// Debian policy 2.4 "Sections" (`localization` has the time zones too, which are no
/// translations); the sub-packages of Alpine and Fedora are told by their names.
fn purpose(manager: Manager, package: &Package) -> Option<Purpose> {
    let section = package.section.as_deref().unwrap_or_default();
    let section = section.rsplit('/').next().unwrap_or_default();
    let ends = |endings: &[&str]| endings.iter().any(|ending| package.name.ends_with(ending));
    match manager {
        Manager::Deb => match section {
            "devel" | "libdevel" => Some(Purpose::Development),
            "debug" => Some(Purpose::Debug),
            "doc" => Some(Purpose::Documentation),
            _ => None,
        },
        Manager::Apk | Manager::Rpm => {
            if ends(&["-dev", "-devel", "-static"]) {
                Some(Purpose::Development)
            } else if ends(&["-dbg", "-debuginfo", "-debugsource"]) {
                Some(Purpose::Debug)
            } else if ends(&["-doc", "-docs"]) {
                Some(Purpose::Documentation)
            } else if ends(&["-lang"]) {
                Some(Purpose::Localization)
            } else {
                None
            }
        }
        _ => None,
    }
}
