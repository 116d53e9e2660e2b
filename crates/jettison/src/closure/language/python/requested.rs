//! Distributions that somebody named to the installer.

use super::index::Distribution;
use super::settle::{active_sites, choose};
use crate::closure::collector::Collector;
use crate::closure::units::UnitId;

/// Keeps what somebody installed by name, other than tools of development: what an application finds by a name in a
/// setting or a URL, such as a driver of a database, nothing else tells.
pub(super) fn settle(collector: &mut Collector<'_>) -> bool {
    let python = &collector.python;
    let active = active_sites(python);
    let is_meant = |known: &Distribution| {
        let site = known.site.filter(|site| active.contains(site));
        known.is_requested && !known.is_development_tool && site.is_some()
    };
    let distributions = python.index.distributions.iter();
    let meant = distributions.filter(|(_, known)| is_meant(known));
    let mut chosen: Vec<UnitId> = meant.map(|(unit, _)| *unit).collect();
    chosen.sort();
    let mut any = false;
    for unit in chosen {
        let site = collector.python.index.distributions[&unit].site;
        let installers = INSTALLERS.contains(&collector.units.name(unit));
        if let Some(site) = site.filter(|_| !installers) {
            any |= choose(collector, unit, site, "installed by name");
        }
    }
    any
}

/// What ensurepip and venv install (Python documentation, "ensurepip"), and pip with them before version 24.
const INSTALLERS: &[&str] = &["pip", "setuptools", "wheel"];
