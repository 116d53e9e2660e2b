//! What Docker's default profile allows (moby, `profiles/seccomp`), as of Engine 25
//! and later: without `io_uring`, and with the calls of newer kernels.
//!
//! A call that is not in it stays forbidden, whatever the image's programs say; one
//! that it allows under a condition stays under that condition.

/// When a rule holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    Always,
    /// An argument compares so with a value; for a masked comparison the value is the
    /// mask, and what it leaves must be 0.
    Argument(u32, &'static str, u64),
    /// On these machines, in Go's words.
    Machines(&'static [&'static str]),
    /// The container has this capability.
    Capability(&'static str),
    /// It has not, and the argument compares so.
    Without(&'static str, u32, &'static str, u64),
    /// It has not; the answer is that the kernel does not know the call.
    Missing(&'static str),
}

/// Calls, separated by white space, and when they are allowed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    pub(super) names: &'static str,
    pub(super) when: Condition,
}

/// The flags of clone(2) that make namespaces.
const NAMESPACES: u64 = 0x7e02_0000;

use Condition::{Always, Argument, Capability, Machines, Missing, Without};

pub(super) const RULES: &[Rule] = &[
    Rule {
        names: include_str!("default.txt"),
        when: Always,
    },
    Rule {
        names: "socket",
        // AF_VSOCK, which leaves the namespace of the network.
        when: Argument(0, "SCMP_CMP_NE", 40),
    },
    Rule {
        names: "personality",
        when: Argument(0, "SCMP_CMP_EQ", 0),
    },
    Rule {
        names: "personality",
        when: Argument(0, "SCMP_CMP_EQ", 0x0008),
    },
    Rule {
        names: "personality",
        when: Argument(0, "SCMP_CMP_EQ", 0x2_0000),
    },
    Rule {
        names: "personality",
        when: Argument(0, "SCMP_CMP_EQ", 0x2_0008),
    },
    Rule {
        names: "personality",
        when: Argument(0, "SCMP_CMP_EQ", 0xffff_ffff),
    },
    Rule {
        names: "arch_prctl modify_ldt",
        when: Machines(&["amd64", "x32", "x86"]),
    },
    Rule {
        names: "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls",
        when: Machines(&["arm", "arm64"]),
    },
    Rule {
        names: "open_by_handle_at",
        when: Capability("CAP_DAC_READ_SEARCH"),
    },
    Rule {
        names: "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount \
                mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname \
                sethostname setns syslog umount umount2 unshare",
        when: Capability("CAP_SYS_ADMIN"),
    },
    Rule {
        names: "clone",
        when: Without("CAP_SYS_ADMIN", 0, "SCMP_CMP_MASKED_EQ", NAMESPACES),
    },
    Rule {
        names: "clone3",
        when: Missing("CAP_SYS_ADMIN"),
    },
    Rule {
        names: "reboot",
        when: Capability("CAP_SYS_BOOT"),
    },
    Rule {
        names: "chroot",
        when: Capability("CAP_SYS_CHROOT"),
    },
    Rule {
        names: "delete_module init_module finit_module",
        when: Capability("CAP_SYS_MODULE"),
    },
    Rule {
        names: "acct",
        when: Capability("CAP_SYS_PACCT"),
    },
    Rule {
        names: "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace",
        when: Capability("CAP_SYS_PTRACE"),
    },
    Rule {
        names: "iopl ioperm",
        when: Capability("CAP_SYS_RAWIO"),
    },
    Rule {
        names: "settimeofday stime clock_settime clock_settime64",
        when: Capability("CAP_SYS_TIME"),
    },
    Rule {
        names: "vhangup",
        when: Capability("CAP_SYS_TTY_CONFIG"),
    },
    Rule {
        names: "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
        when: Capability("CAP_SYS_NICE"),
    },
    Rule {
        names: "syslog",
        when: Capability("CAP_SYSLOG"),
    },
    Rule {
        names: "bpf",
        when: Capability("CAP_BPF"),
    },
    Rule {
        names: "perf_event_open",
        when: Capability("CAP_PERFMON"),
    },
];

/// What the runtime itself calls between applying the profile and the container's
/// program, and on the way of `docker exec`: changing user, groups and capabilities,
/// the directory, closing what is not the program's, waiting for the starter, and
/// what Go's run time, in which runc is written, needs meanwhile. Signals that come
/// back from a handler, and calls that the kernel itself restarts, are nobody's in
/// particular.
pub(super) const RUNTIME: &str = "\
    brk capget capset chdir clone clone3 close close_range dup2 dup3 epoll_create1 epoll_ctl epoll_pwait \
    epoll_wait execve exit exit_group faccessat faccessat2 fchdir fchown fcntl fstat fstatfs futex getcwd \
    getdents64 getegid geteuid getgid getpid getppid getrandom getrlimit gettid getuid ioctl keyctl kill \
    lseek lstat madvise mmap mprotect munmap nanosleep newfstatat open openat openat2 pipe2 poll ppoll prctl \
    pread64 prlimit64 read readlink readlinkat restart_syscall rseq rt_sigaction rt_sigprocmask rt_sigreturn \
    sched_getaffinity sched_yield sendmsg recvmsg set_robust_list set_tid_address setgid setgroups \
    setresgid setresuid setrlimit setsid setuid sigaltstack stat statfs statx tgkill umask uname wait4 waitid \
    write";
