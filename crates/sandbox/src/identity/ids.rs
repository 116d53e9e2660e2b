//! The ids of a process, and who may change them to what.

use std::path::PathBuf;

use rustix::io::Errno;

use super::calls::{Set, Which};

/// An id that means "leave it".
const UNCHANGED: u32 = u32::MAX;

/// The ids of a process: each real, effective, saved and for files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ids {
    users: [u32; 4],
    groups_of_process: [u32; 4],
    /// Supplementary groups.
    pub(super) groups: Vec<u32>,
    /// Whether capabilities outlive the identity of root, until the next program.
    pub(super) keeps_capabilities: bool,
    /// The process, and the program in it, that has taken its capabilities up again after it gave that
    /// identity up. The next program does not have them.
    pub(super) capable: Option<(i32, PathBuf)>,
}

const REAL: usize = 0;
const EFFECTIVE: usize = 1;
const SAVED: usize = 2;
const FILES: usize = 3;

impl Ids {
    /// Those of a process that is one user and one group.
    pub(super) fn of((user, group): (u32, u32)) -> Self {
        Self {
            users: [user; 4],
            groups_of_process: [group; 4],
            groups: vec![group],
            keeps_capabilities: false,
            capable: None,
        }
    }

    /// Returns whether every id is that of one user or one group.
    pub(super) fn is(&self, (user, group): (u32, u32)) -> bool {
        self.users == [user; 4] && self.groups_of_process == [group; 4]
    }

    /// Returns whether the process may take on any identity.
    pub(super) fn privileged(&self) -> bool {
        self.users[EFFECTIVE] == 0 || self.capable.is_some()
    }

    /// Returns whose files new ones are.
    pub(super) fn files(&self) -> (u32, u32) {
        (self.users[FILES], self.groups_of_process[FILES])
    }

    /// Returns one id, as a system call returns it.
    pub(super) fn get(&self, which: Which, at: usize) -> i64 {
        i64::from(self.one_of(which, at))
    }

    /// Returns the real, the effective or the saved id.
    pub(super) fn one_of(&self, which: Which, at: usize) -> u32 {
        let all = match which {
            Which::Users => &self.users,
            Which::Groups => &self.groups_of_process,
        };
        all.get(at).copied().unwrap_or(UNCHANGED)
    }

    /// Changes ids as a call asks for, if the process may.
    pub(super) fn set(
        &mut self,
        which: Which,
        how: Set,
        arguments: [u64; 6],
    ) -> Result<i64, Errno> {
        let privileged = self.privileged();
        let ids = match which {
            Which::Users => &mut self.users,
            Which::Groups => &mut self.groups_of_process,
        };
        let old = *ids;
        #[allow(clippy::cast_possible_truncation)] // ids are 32 bits wide
        let [first, second, third, ..] = arguments.map(|argument| argument as u32);
        let is_own = |id: u32, of: &[usize]| of.iter().any(|at| old.get(*at) == Some(&id));
        let may = |id: u32, of: &[usize]| {
            if id == UNCHANGED || privileged || is_own(id, of) {
                Ok(())
            } else {
                Err(Errno::PERM)
            }
        };
        let or = |id: u32, other: u32| if id == UNCHANGED { other } else { id };
        match how {
            Set::Simple if first == UNCHANGED => return Err(Errno::INVAL),
            Set::Simple if privileged => *ids = [first; 4],
            Set::Simple => {
                may(first, &[REAL, SAVED])?;
                ids[EFFECTIVE] = first;
            }
            Set::Two => {
                may(first, &[REAL, EFFECTIVE])?;
                may(second, &[REAL, EFFECTIVE, SAVED])?;
                ids[REAL] = or(first, old[REAL]);
                ids[EFFECTIVE] = or(second, old[EFFECTIVE]);
                if first != UNCHANGED || second != UNCHANGED && second != old[REAL] {
                    ids[SAVED] = ids[EFFECTIVE];
                }
            }
            Set::Three => {
                for id in [first, second, third] {
                    may(id, &[REAL, EFFECTIVE, SAVED])?;
                }
                ids[REAL] = or(first, old[REAL]);
                ids[EFFECTIVE] = or(second, old[EFFECTIVE]);
                ids[SAVED] = or(third, old[SAVED]);
            }
            Set::Files => {
                if first != UNCHANGED && may(first, &[REAL, EFFECTIVE, SAVED, FILES]).is_ok() {
                    ids[FILES] = first;
                }
                return Ok(i64::from(old[FILES]));
            }
        }
        ids[FILES] = ids[EFFECTIVE];
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ids: &mut Ids, how: Set, arguments: [u32; 3]) -> Result<i64, Errno> {
        let [a, b, c] = arguments.map(u64::from);
        ids.set(Which::Users, how, [a, b, c, 0, 0, 0])
    }

    #[test]
    fn root_becomes_anybody_and_does_not_come_back() {
        for (how, arguments) in [
            (Set::Simple, [7, 0, 0]),
            (Set::Two, [7, 7, 0]),
            (Set::Three, [7, 7, 7]),
        ] {
            let mut ids = Ids::of((0, 0));
            assert_eq!(set(&mut ids, how, arguments), Ok(0));
            assert_eq!(ids.users, [7; 4], "{how:?}");
            assert_eq!(set(&mut ids, Set::Simple, [0, 0, 0]), Err(Errno::PERM));
            assert_eq!(set(&mut ids, Set::Two, [0, UNCHANGED, 0]), Err(Errno::PERM));
            assert_eq!(set(&mut ids, Set::Three, [0, 7, 7]), Err(Errno::PERM));
            assert_eq!(set(&mut ids, Set::Files, [0, 0, 0]), Ok(7));
            assert_eq!(ids.users, [7; 4], "{how:?}");
        }
    }

    #[test]
    fn who_keeps_a_saved_id_comes_back() {
        let mut ids = Ids::of((0, 0));
        assert_eq!(set(&mut ids, Set::Three, [7, 7, 0]), Ok(0));
        assert_eq!(ids.users, [7, 7, 0, 7]);
        assert!(!ids.privileged());
        assert_eq!(set(&mut ids, Set::Simple, [0, 0, 0]), Ok(0));
        assert_eq!(ids.users, [7, 0, 0, 0]);
        assert!(ids.privileged());
        assert_eq!(set(&mut ids, Set::Files, [9, 0, 0]), Ok(0));
        assert_eq!(ids.files(), (9, 0));
    }

    #[test]
    fn who_keeps_capabilities_may_go_on() {
        let mut ids = Ids::of((0, 0));
        assert_eq!(set(&mut ids, Set::Three, [7, 7, 7]), Ok(0));
        let groups = |ids: &mut Ids| ids.set(Which::Groups, Set::Three, [8, 8, 8, 0, 0, 0]);
        assert_eq!(groups(&mut ids), Err(Errno::PERM));
        ids.capable = Some((1, PathBuf::from("/bin/drop")));
        assert_eq!(groups(&mut ids), Ok(0));
        assert!(ids.is((7, 8)));
    }

    #[test]
    fn the_largest_number_is_no_id() {
        let mut ids = Ids::of((0, 0));
        let none = UNCHANGED;
        assert_eq!(set(&mut ids, Set::Simple, [none; 3]), Err(Errno::INVAL));
        assert_eq!(set(&mut ids, Set::Three, [none; 3]), Ok(0));
        assert!(ids.is((0, 0)));
    }
}
