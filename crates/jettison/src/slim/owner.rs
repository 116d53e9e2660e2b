//! Names of packages for reports.

use layer::NodeId;

use super::Plan;

impl Plan<'_> {
    /// Returns the name of the package that a file is from.
    pub fn package_name(&self, node: NodeId) -> Option<&str> {
        let owner = self.packages.owner(node)?;
        Some(&self.packages.package(owner).name)
    }
}
