//! The system call filter of a trace: it stops every call of [`super::calls`] until the tracer has seen it.

use super::calls::{ARCHITECTURES, CALLS, When};
use crate::bpf::{
    self, AND, ARCHITECTURE, AT_LEAST, EQUAL, LOAD, NUMBER, RETURN, X86_64, instruction,
};

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const NOTIFY: u32 = libc::SECCOMP_RET_USER_NOTIF;
#[allow(clippy::cast_sign_loss)] // 38
const MISSING: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
/// Numbers from here on are those of the x32 variant of x86-64, which no distribution uses.
const X32: u32 = 0x4000_0000;

/// Builds the filter. On an architecture that it has no table for every call is stopped, so that the
/// tracer notices.
pub(crate) fn filter() -> Vec<libc::sock_filter> {
    let mut program = vec![instruction(LOAD, ARCHITECTURE, 0, 0)];
    for (column, architecture) in ARCHITECTURES.into_iter().enumerate() {
        let block = block(column);
        let length = u8::try_from(block.len()).unwrap_or(u8::MAX);
        program.push(instruction(EQUAL, architecture, 0, length));
        program.extend(block);
    }
    program.push(instruction(RETURN, NOTIFY, 0, 0));
    program
}

/// Builds the part for one architecture.
///
/// Calls without a condition come first: all jump to the one instruction that stops them. That needs no
/// more than 255 instructions in between, which a test sees to.
fn block(column: usize) -> Vec<libc::sock_filter> {
    let calls = || {
        CALLS
            .iter()
            .filter_map(|call| Some(((*call.numbers.get(column)?)?, call.when)))
    };
    let simple: Vec<u32> = calls()
        .filter(|(_, when)| *when == When::Always)
        .map(|(number, _)| number)
        .collect();
    let mut block = vec![instruction(LOAD, NUMBER, 0, 0)];
    if ARCHITECTURES.get(column) == Some(&X86_64) {
        block.push(instruction(AT_LEAST, X32, 0, 1));
        block.push(instruction(RETURN, MISSING, 0, 0));
    }
    for (at, &number) in simple.iter().enumerate() {
        let to_end = u8::try_from(simple.len() - at).unwrap_or(u8::MAX);
        block.push(instruction(EQUAL, number, to_end, 0));
    }
    block.push(instruction(EQUAL, u32::MAX, 0, 1)); // never: the numbers end below
    block.push(instruction(RETURN, NOTIFY, 0, 0));
    for (number, when) in calls() {
        let check = check(when);
        let length = u8::try_from(check.len()).unwrap_or(u8::MAX);
        if length > 0 {
            block.push(instruction(EQUAL, number, 0, length));
            block.extend(check);
        }
    }
    block.push(instruction(RETURN, ALLOW, 0, 0));
    block
}

/// Builds what decides about a call by its arguments.
fn check(when: When) -> Vec<libc::sock_filter> {
    match when {
        When::Always => Vec::new(),
        When::Refused => vec![instruction(RETURN, MISSING, 0, 0)],
        When::Bits { argument, mask } => vec![
            instruction(LOAD, bpf::argument(argument), 0, 0),
            instruction(AND, mask, 0, 0),
            instruction(EQUAL, 0, 0, 1),
            instruction(RETURN, ALLOW, 0, 0),
            instruction(RETURN, NOTIFY, 0, 0),
        ],
        When::Unless { argument, value } => vec![
            instruction(LOAD, bpf::argument(argument), 0, 0),
            instruction(EQUAL, value, 0, 1),
            instruction(RETURN, ALLOW, 0, 0),
            instruction(RETURN, NOTIFY, 0, 0),
        ],
        When::OneOf { argument, values } => {
            let mut check = vec![instruction(LOAD, bpf::argument(argument), 0, 0)];
            for value in values {
                check.push(instruction(EQUAL, *value, 0, 1));
                check.push(instruction(RETURN, NOTIFY, 0, 0));
            }
            check.push(instruction(RETURN, ALLOW, 0, 0));
            check
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(architecture: u32, number: u32, arguments: [u32; 6]) -> u32 {
        bpf::verdict(&filter(), architecture, number, arguments)
    }

    #[test]
    fn every_call_of_the_table_is_stopped_and_no_other() {
        for (column, architecture) in ARCHITECTURES.into_iter().enumerate() {
            assert!(block(column).len() <= 255);
            let mut known = Vec::new();
            for call in CALLS {
                let Some(number) = call.numbers[column] else {
                    continue;
                };
                assert!(!known.contains(&number), "{number} is there twice");
                known.push(number);
                let mut arguments = [0; 6];
                let ask = |arguments| verdict(architecture, number, arguments);
                match call.when {
                    When::Always => assert_eq!(ask(arguments), NOTIFY, "{number}"),
                    When::Refused => assert_eq!(ask(arguments), MISSING, "{number}"),
                    When::Bits { argument, mask } => {
                        assert_eq!(ask(arguments), ALLOW, "{number}");
                        arguments[argument as usize] = mask & mask.wrapping_neg();
                        assert_eq!(ask(arguments), NOTIFY, "{number}");
                    }
                    When::Unless { argument, value } => {
                        assert_eq!(ask(arguments), NOTIFY, "{number}");
                        arguments[argument as usize] = value;
                        assert_eq!(ask(arguments), ALLOW, "{number}");
                    }
                    When::OneOf { argument, values } => {
                        assert_eq!(ask(arguments), ALLOW, "{number}");
                        for value in values {
                            arguments[argument as usize] = *value;
                            assert_eq!(ask(arguments), NOTIFY, "{number}");
                        }
                    }
                }
            }
            for number in (0..600).filter(|number| !known.contains(number)) {
                assert_eq!(verdict(architecture, number, [0; 6]), ALLOW, "{number}");
            }
        }
    }

    #[test]
    fn what_no_table_knows_is_not_passed_over() {
        assert_eq!(verdict(0x4000_0028, 5, [0; 6]), NOTIFY);
        assert_eq!(verdict(X86_64, X32 + 2, [0; 6]), MISSING);
    }
}
