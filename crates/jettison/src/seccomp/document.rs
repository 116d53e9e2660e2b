//! The profile as Docker reads it (`docker run --security-opt seccomp=FILE`).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::default::{Condition, RULES, Rule};
use super::{Machine, Profile, numbers};

impl Profile {
    /// Returns the profile in Docker's JSON form.
    pub fn document(&self) -> Value {
        let (architecture, small) = match self.machine {
            Machine::X86_64 => ("SCMP_ARCH_X86_64", &["SCMP_ARCH_X86", "SCMP_ARCH_X32"][..]),
            Machine::Aarch64 => ("SCMP_ARCH_AARCH64", &["SCMP_ARCH_ARM"][..]),
        };
        let small = if self.has_32_bits { small } else { &[] };
        let rules: Vec<Value> = RULES.iter().filter_map(|rule| self.rule(rule)).collect();
        json!({
            "defaultAction": "SCMP_ACT_ERRNO",
            "defaultErrnoRet": 1,
            "archMap": [{ "architecture": architecture, "subArchitectures": small }],
            "syscalls": rules,
        })
    }

    /// Returns the names of the calls that the profile allows, under whatever condition.
    pub fn allowed(&self) -> BTreeSet<&'static str> {
        let known = self.known();
        let rules = RULES.iter().filter(|rule| self.holds(rule));
        let names = rules.flat_map(|rule| self.names(rule));
        names.filter(|name| known.contains(name)).collect()
    }

    /// Returns the names of the calls that Docker's default profile allows on this machine, under whatever
    /// condition.
    pub fn default_allowed(&self) -> BTreeSet<&'static str> {
        let known = self.known();
        let rules = RULES.iter().filter(|rule| self.holds(rule));
        let names = rules.flat_map(|rule| rule.names.split_whitespace());
        names.filter(|name| known.contains(name)).collect()
    }

    fn known(&self) -> BTreeSet<&'static str> {
        numbers::names(self.machine).into_values().collect()
    }

    /// Returns the calls of a rule that stay.
    fn names(&self, rule: &Rule) -> Vec<&'static str> {
        let names = rule.names.split_whitespace();
        let stays = |name: &&str| !self.unread.is_empty() || self.wanted.contains(name);
        names.filter(stays).collect()
    }

    fn holds(&self, rule: &Rule) -> bool {
        match rule.when {
            Condition::Machines(machines) => machines.contains(&match self.machine {
                Machine::X86_64 => "amd64",
                Machine::Aarch64 => "arm64",
            }),
            _ => true,
        }
    }

    fn rule(&self, rule: &Rule) -> Option<Value> {
        let names = self.names(rule);
        if names.is_empty() || !self.holds(rule) {
            return None;
        }
        let mut value = json!({ "names": names, "action": "SCMP_ACT_ALLOW" });
        let argument = |index: u32, operator: &str, number: u64| match operator {
            // The mask, and what must be left of the argument.
            "SCMP_CMP_MASKED_EQ" => {
                json!([{ "index": index, "value": number, "valueTwo": 0, "op": operator }])
            }
            _ => json!([{ "index": index, "value": number, "op": operator }]),
        };
        match rule.when {
            Condition::Always => {}
            Condition::Argument(index, operator, number) => {
                value["args"] = argument(index, operator, number);
            }
            Condition::Machines(machines) => value["includes"] = json!({ "arches": machines }),
            Condition::Capability(name) => value["includes"] = json!({ "caps": [name] }),
            Condition::Without(name, index, operator, number) => {
                value["args"] = argument(index, operator, number);
                value["excludes"] = json!({ "caps": [name] });
            }
            Condition::Missing(name) => {
                value["action"] = json!("SCMP_ACT_ERRNO");
                value["errnoRet"] = json!(38); // ENOSYS
                value["excludes"] = json!({ "caps": [name] });
            }
        }
        Some(value)
    }
}
