"""System calls that untrusted code may not make, by processor: tables of numbers, from the kernel's own headers."""

from __future__ import annotations

ARCHES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""What the kernel calls a processor in a filter (AUDIT_ARCH_*)."""
LAST = 451
"""Above this, a call is newer than this table: it is answered as if the kernel did not know it."""

SPECIAL = {
    "x86_64": {
        "clone": 56,
        "clone3": 435,
        "kill": 62,
        "tgkill": 234,
        "prlimit64": 302,
        "prctl": 157,
        "ioctl": 16,
        "fcntl": 72,
    },
    "aarch64": {
        "clone": 220,
        "clone3": 435,
        "kill": 129,
        "tgkill": 131,
        "prlimit64": 261,
        "prctl": 167,
        "ioctl": 29,
        "fcntl": 25,
    },
}
"""Calls that depend on their arguments."""

_SAME = {
    "pidfd_send_signal": 424, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428,
    "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "pidfd_open": 434, "pidfd_getfd": 438,
    "process_madvise": 440, "mount_setattr": 442, "quotactl_fd": 443, "memfd_secret": 447, "process_mrelease": 448,
}  # fmt: skip
_X86_64 = {
    "fork": 57, "vfork": 58, "execve": 59, "execveat": 322, "ptrace": 101, "tkill": 200, "rt_sigqueueinfo": 129,
    "rt_tgsigqueueinfo": 297, "socket": 41, "connect": 42, "accept": 43, "bind": 49, "listen": 50, "accept4": 288,
    "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161, "unshare": 272, "setns": 308, "bpf": 321,
    "add_key": 248, "request_key": 249, "keyctl": 250, "kexec_load": 246, "kexec_file_load": 320, "process_vm_readv": 310,
    "process_vm_writev": 311, "perf_event_open": 298, "userfaultfd": 323, "init_module": 175, "delete_module": 176,
    "finit_module": 313, "reboot": 169, "swapon": 167, "swapoff": 168, "sethostname": 170, "setdomainname": 171, "iopl": 172,
    "ioperm": 173, "quotactl": 179, "acct": 163, "settimeofday": 164, "clock_settime": 227, "adjtimex": 159,
    "clock_adjtime": 305, "syslog": 103, "name_to_handle_at": 303, "open_by_handle_at": 304, "lookup_dcookie": 212,
    "memfd_create": 319, "shmget": 29, "shmat": 30, "shmctl": 31, "shmdt": 67, "semget": 64, "semop": 65, "semctl": 66,
    "semtimedop": 220, "msgget": 68, "msgsnd": 69, "msgrcv": 70, "msgctl": 71, "mq_open": 240, "mq_unlink": 241,
    "personality": 135, "kcmp": 312, "modify_ldt": 154, "set_mempolicy": 238, "mbind": 237, "migrate_pages": 256,
    "move_pages": 279, "fanotify_init": 300, "fanotify_mark": 301, "vhangup": 153, "mknod": 133, "mknodat": 259,
    "chmod": 90, "fchmod": 91, "fchmodat": 268, "chown": 92, "fchown": 93, "lchown": 94, "fchownat": 260, "utime": 132,
    "utimes": 235, "futimesat": 261, "utimensat": 280, "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190,
    "removexattr": 197, "lremovexattr": 198, "fremovexattr": 199, "truncate": 76, "setpriority": 141,
    "sched_setparam": 142, "sched_setscheduler": 144, "sched_setaffinity": 203, "sched_setattr": 314, "ioprio_set": 251,
    "uselib": 134, "ustat": 136, "sysfs": 139, "_sysctl": 156, "nfsservctl": 180,
}  # fmt: skip
_AARCH64 = {
    "execve": 221, "execveat": 281, "ptrace": 117, "tkill": 130, "rt_sigqueueinfo": 138, "rt_tgsigqueueinfo": 240,
    "socket": 198, "bind": 200, "listen": 201, "accept": 202, "connect": 203, "accept4": 242, "mount": 40, "umount2": 39,
    "pivot_root": 41, "chroot": 51, "unshare": 97, "setns": 268, "bpf": 280, "add_key": 217, "request_key": 218,
    "keyctl": 219, "kexec_load": 104, "kexec_file_load": 294, "process_vm_readv": 270, "process_vm_writev": 271,
    "perf_event_open": 241, "userfaultfd": 282, "init_module": 105, "delete_module": 106, "finit_module": 273,
    "reboot": 142, "swapon": 224, "swapoff": 225, "sethostname": 161, "setdomainname": 162, "quotactl": 60, "acct": 89,
    "settimeofday": 170, "clock_settime": 112, "adjtimex": 171, "clock_adjtime": 266, "syslog": 116,
    "name_to_handle_at": 264, "open_by_handle_at": 265, "lookup_dcookie": 18, "memfd_create": 279, "shmget": 194,
    "shmctl": 195, "shmat": 196, "shmdt": 197, "semget": 190, "semctl": 191, "semtimedop": 192, "semop": 193,
    "msgget": 186, "msgctl": 187, "msgrcv": 188, "msgsnd": 189, "mq_open": 180, "mq_unlink": 181, "personality": 92,
    "kcmp": 272, "set_mempolicy": 237, "mbind": 235, "migrate_pages": 238, "move_pages": 239, "fanotify_init": 262,
    "fchmod": 52, "fchmodat": 53, "fchown": 55, "fchownat": 54, "utimensat": 88, "setxattr": 5, "lsetxattr": 6,
    "fsetxattr": 7, "removexattr": 14, "lremovexattr": 15, "fremovexattr": 16, "truncate": 45, "setpriority": 140,
    "sched_setparam": 118, "sched_setscheduler": 119, "sched_setaffinity": 122, "sched_setattr": 274, "ioprio_set": 30,
    "fanotify_mark": 263, "vhangup": 58, "mknodat": 33, "nfsservctl": 42,
}  # fmt: skip

DENIED = {"x86_64": _X86_64 | _SAME, "aarch64": _AARCH64 | _SAME}
"""Calls that are refused whatever their arguments."""
