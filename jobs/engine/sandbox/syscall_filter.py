"""Refuse system calls to this process and what it starts: for children that read untrusted content.

On Linux a seccomp filter refuses every socket, local ones included, on which a database or a broker may listen; and every call
that reads, changes, traces or signals another process, mounts, makes a namespace, or asks the kernel for keys, modules and the
like. Where the kernel takes no such filter, the process moves into an empty network namespace. Elsewhere nothing can be done.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from collections.abc import Iterator

# The filter is a program of classic BPF over (number of the system call, architecture, ..., its arguments).
_LOAD, _EQUAL, _AT_LEAST, _HAS_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets of its input; of the argument, the lower half
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_REFUSE, _UNKNOWN = _ERROR | 13, _ERROR | 38  # EACCES, ENOSYS
_FOREIGN = 0x40000000  # from here on: calls of the x32 ABI, which have other numbers
_MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}  # architecture, column of the tables below
_SECCOMP = (317, 277)
_NAMESPACES = 0x7E020000  # clone's flags for new ones
_CLONE, _CLONE3 = (56, 220), 435  # clone3 has its flags in memory, where no filter looks: libraries then use clone

_SOCKET = (41, 198)

# Numbers on x86-64 and ARM64; one number where it is the same on both.
_REFUSED: dict[str, int | tuple[int, int]] = {
    # sockets
    **{"socket": _SOCKET, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427},
    # other processes: their memory, their files, their signals, their turn; and a session that outlives ours
    **{"ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272)},
    **{"pidfd_open": 434, "pidfd_getfd": 438, "pidfd_send_signal": 424, "process_madvise": 440},
    **{"process_mrelease": 448},
    **{"tkill": (200, 130), "move_pages": (279, 239), "migrate_pages": (256, 238), "perf_event_open": (298, 241)},
    **{"setsid": (112, 157), "setpgid": (109, 154), "setpriority": (141, 140)},
    # memory that processes share by a name
    **{"shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "semget": (64, 190), "msgget": (68, 186)},
    **{"mq_open": (240, 180)},
    # files by another way than their names, mounts, namespaces
    **{"name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "fanotify_init": (300, 262)},
    **{"mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "mount_setattr": 442},
    **{"fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "open_tree": 428, "move_mount": 429},
    **{"open_tree_attr": 467, "unshare": (272, 97), "setns": (308, 268)},
    # the kernel and the machine
    **{"bpf": (321, 280), "userfaultfd": (323, 282), "keyctl": (250, 219), "add_key": (248, 217)},
    **{"request_key": (249, 218), "kexec_load": (246, 104), "kexec_file_load": (320, 294), "reboot": (169, 142)},
    **{"init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "syslog": (103, 116)},
    **{"quotactl": (179, 60), "quotactl_fd": 443, "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89)},
    **{"settimeofday": (164, 170), "clock_settime": (227, 112), "clock_adjtime": (305, 266), "adjtimex": (159, 171)},
    **{"sethostname": (170, 161), "setdomainname": (171, 162)},
}
# What a program may not do that is allowed sockets of its own: reach those of others.
_REACHING: dict[str, tuple[int, int]] = {
    **{"connect": (42, 203), "sendto": (44, 206), "sendmsg": (46, 211), "sendmmsg": (307, 269)},
}
_LOCAL = 1  # AF_UNIX
# Calls whose first argument is a process: allowed to itself, as abort() needs it. 0 is this process in the second group.
_TO_ITSELF: dict[str, tuple[int, int]] = {
    **{"kill": (62, 129), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240)},
}
_TO_ITSELF_OR_0: dict[str, tuple[int, int]] = {
    **{"prlimit64": (302, 261), "sched_setaffinity": (203, 122), "sched_setscheduler": (144, 119)},
    **{"sched_setparam": (142, 118), "sched_setattr": (314, 274)},
}

_NO_NEW_PRIVILEGES = 38
_SET_FILTER, _ALL_THREADS = 1, 1
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000

Step = tuple[int, int, int, int]  # code, steps on if so, if not, value


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def apply(local_sockets: bool = False) -> str:
    """Give up these calls for good. Returns how: "filter", "namespace" (the network alone), or "" where neither is permitted.

    local_sockets: it may make sockets of the kind that have a path, and connect to none: LibreOffice does not start without one.
    """
    if sys.platform != "linux":
        return ""
    libc = ctypes.CDLL(None, use_errno=True)
    return "filter" if _filtered(libc, local_sockets) else "namespace" if _moved(libc) else ""


def no_new_privileges(libc: ctypes.CDLL) -> bool:
    """Give up gaining privileges by programs that are started, which the kernel asks of whoever filters."""
    return bool(libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0)


def _filtered(libc: ctypes.CDLL, local_sockets: bool) -> bool:
    if platform.machine() not in _MACHINES or sys.maxsize < 2**32 or not no_new_privileges(libc):
        return False
    architecture, column = _MACHINES[platform.machine()]
    steps = b"".join(struct.pack("=HBBI", *step) for step in _steps(architecture, column, os.getpid(), local_sockets))
    program = _Program(len(steps) // 8, steps)
    asked = (ctypes.c_long(number) for number in (_SECCOMP[column], _SET_FILTER, _ALL_THREADS))
    return bool(libc.syscall(*asked, ctypes.byref(program)) == 0)


def _steps(architecture: int, column: int, own: int, local_sockets: bool) -> Iterator[Step]:
    """Refuse foreign calls and those of the tables; allow the rest."""
    refuse = (_RETURN, 0, 0, _REFUSE)
    yield (_LOAD, 0, 0, _ARCHITECTURE)
    yield (_EQUAL, 1, 0, architecture)
    yield refuse
    yield (_LOAD, 0, 0, _NUMBER)
    yield (_AT_LEAST, 0, 1, _FOREIGN)
    yield refuse
    if local_sockets:
        yield from _unless(_SOCKET[column], (_EQUAL, 0, 1, _LOCAL))
    for number in [*_REFUSED.values(), *(_REACHING.values() if local_sockets else ())]:
        yield (_EQUAL, 0, 1, number if isinstance(number, int) else number[column])
        yield refuse
    yield (_EQUAL, 0, 1, _CLONE3)
    yield (_RETURN, 0, 0, _UNKNOWN)
    yield from _unless(_CLONE[column], (_HAS_BITS, 1, 0, _NAMESPACES))
    for numbers in _TO_ITSELF.values():
        yield from _unless(numbers[column], (_EQUAL, 0, 1, own))
    for numbers in _TO_ITSELF_OR_0.values():
        yield from _unless(numbers[column], (_EQUAL, 1, 0, 0), (_EQUAL, 0, 1, own))
    yield (_RETURN, 0, 0, _ALLOW)


def _unless(number: int, *tests: Step) -> Iterator[Step]:
    """For this call: allow it if its first argument passes the tests, of which the last skips a step where it must not."""
    yield (_EQUAL, 0, 3 + len(tests), number)
    yield (_LOAD, 0, 0, _FIRST_ARGUMENT)
    yield from tests
    yield (_RETURN, 0, 0, _ALLOW)
    yield (_RETURN, 0, 0, _REFUSE)


def _moved(libc: ctypes.CDLL) -> bool:
    flags = _CLONE_NEWNET if os.geteuid() == 0 else _CLONE_NEWUSER | _CLONE_NEWNET
    return bool(libc.unshare(flags) == 0)
