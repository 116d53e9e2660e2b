//! Code of x86-64.

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory,
    InstructionInfoOptions, Mnemonic, OpAccess, OpKind, Register,
};

use super::function::{Callee, Walk};
use super::state::Value;

/// Registers of arguments (System V ABI, AMD64 supplement), then that of a system call's number.
pub(super) const ARGUMENTS: &[usize] = &[7, 6, 2, 1, 8, 9, 0];

const RAX: usize = 0;

/// Goes through a function.
pub(super) fn go(walk: &mut Walk<'_>, bytes: &[u8]) {
    let mut decoder = Decoder::with_ip(64, bytes, walk.start, DecoderOptions::NONE);
    let mut info = InstructionInfoFactory::new();
    let mut instruction = Instruction::default();
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        let fills = matches!(instruction.mnemonic(), Mnemonic::Nop | Mnemonic::Int3);
        if !walk.arrive(instruction.ip(), fills) {
            continue;
        }
        if instruction.is_invalid() {
            walk.stop();
            continue;
        }
        addresses(walk, &instruction);
        match instruction.flow_control() {
            FlowControl::Next => next(walk, &instruction, &mut info),
            FlowControl::Call | FlowControl::IndirectCall => {
                if instruction.mnemonic() == Mnemonic::Syscall {
                    walk.system_call(RAX);
                    walk.state.forget([RAX, 1, 11]);
                    continue;
                }
                walk.call(callee(&instruction));
                // Of the others, a compiler reads only those that it knows the callee to leave alone.
                walk.state.forget([RAX]);
            }
            FlowControl::UnconditionalBranch => {
                walk.jump(instruction.near_branch_target());
                walk.stop();
            }
            FlowControl::ConditionalBranch => walk.jump(instruction.near_branch_target()),
            FlowControl::IndirectBranch => {
                walk.call(callee(&instruction));
                walk.stop();
            }
            _ => walk.stop(),
        }
    }
}

/// Where a call or jump goes.
fn callee(instruction: &Instruction) -> Callee {
    match instruction.op0_kind() {
        OpKind::NearBranch64 => Callee::Address(instruction.near_branch_target()),
        OpKind::Memory if instruction.is_ip_rel_memory_operand() => {
            Callee::Slot(instruction.ip_rel_memory_address())
        }
        _ => Callee::Anywhere,
    }
}

/// Addresses of code, in whatever way they are taken.
fn addresses(walk: &mut Walk<'_>, instruction: &Instruction) {
    if instruction.is_ip_rel_memory_operand() {
        let address = instruction.ip_rel_memory_address();
        if instruction.mnemonic() == Mnemonic::Lea {
            walk.take(address);
        } else {
            walk.read(address);
        }
    }
    let operands = if walk.binary.fixed {
        instruction.op_count()
    } else {
        0
    };
    for operand in 0..operands {
        if let Some(value) = immediate(instruction, operand) {
            walk.take(value);
        }
    }
}

fn immediate(instruction: &Instruction, operand: u32) -> Option<u64> {
    instruction.try_immediate(operand).ok()
}

/// An instruction that only computes.
fn next(walk: &mut Walk<'_>, instruction: &Instruction, info: &mut InstructionInfoFactory) {
    if instruction.mnemonic() == Mnemonic::Syscall {
        walk.system_call(RAX);
        walk.state.forget([RAX, 1, 11]);
        return;
    }
    let to = (instruction.op0_kind() == OpKind::Register)
        .then(|| number(instruction.op0_register()))
        .flatten();
    let from = (instruction.op_count() > 1 && instruction.op1_kind() == OpKind::Register)
        .then(|| number(instruction.op1_register()))
        .flatten();
    let value = immediate(instruction, 1).map(|value| Value::constant(value & 0xffff_ffff));
    match (instruction.mnemonic(), to, from, value) {
        (Mnemonic::Mov, Some(to), _, Some(value)) => walk.state.set(to, value),
        (Mnemonic::Mov, Some(to), Some(from), _) => {
            let value = walk.state.get(from).clone();
            walk.state.set(to, value);
        }
        (Mnemonic::Mov, None, Some(from), _) => {
            let value = walk.state.get(from).clone();
            walk.store(&value);
        }
        (Mnemonic::Mov, None, None, Some(value)) => walk.store(&value),
        (Mnemonic::Push, to, ..) => {
            let value = match (to, immediate(instruction, 0)) {
                (Some(register), _) => walk.state.get(register).clone(),
                (None, Some(value)) => Value::constant(value),
                (None, None) => Value::unknown(),
            };
            walk.store(&value);
        }
        (Mnemonic::Xor | Mnemonic::Sub, Some(to), Some(from), _) if to == from => {
            walk.state.set(to, Value::constant(0));
        }
        (mnemonic, Some(to), Some(from), _) if is_conditional_move(mnemonic) => {
            let mut either = walk.state.get(to).clone();
            let other = walk.state.get(from);
            either.join(other);
            walk.state.set(to, either);
        }
        _ => {
            let used = info.info_options(instruction, InstructionInfoOptions::NO_MEMORY_USAGE);
            let written = used.used_registers().iter().filter(|used| {
                !matches!(
                    used.access(),
                    OpAccess::Read | OpAccess::CondRead | OpAccess::None
                )
            });
            let written: Vec<usize> = written.filter_map(|used| number(used.register())).collect();
            walk.state.forget(written);
        }
    }
}

fn is_conditional_move(mnemonic: Mnemonic) -> bool {
    use Mnemonic as M;
    matches!(
        mnemonic,
        M::Cmova
            | M::Cmovae
            | M::Cmovb
            | M::Cmovbe
            | M::Cmove
            | M::Cmovg
            | M::Cmovge
            | M::Cmovl
            | M::Cmovle
            | M::Cmovne
            | M::Cmovno
            | M::Cmovnp
            | M::Cmovns
            | M::Cmovo
            | M::Cmovp
            | M::Cmovs
    )
}

/// Returns the number of a general register, whatever part of it is meant.
fn number(register: Register) -> Option<usize> {
    let full = register.full_register();
    full.is_gpr64().then(|| full.number())
}
