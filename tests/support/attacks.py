"""What hostile code tries once it has taken over a cell.

Every attack returns if it got through, and raises if it was stopped. They are functions of a `bait`: what the monitor
under attack (tests/support/attacked_monitor.py) has laid out.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import importlib
import mmap
import os
import resource
import signal
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from typing import Any

Bait = Mapping[str, Any]
ATTACKS: dict[str, Callable[[Bait], object]] = {}
MIB = 1 << 20

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]


def attack(function: Callable[[Bait], object]) -> Callable[[Bait], object]:
    """Put an attack on the list, under its name."""
    ATTACKS[function.__name__] = function
    return function


def system_call(number: int, *arguments: object) -> int:
    """A raw system call."""
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    result = int(_libc.syscall(ctypes.c_long(number), *words))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


# Files.


@attack
def read_a_file(bait: Bait) -> object:
    return open(bait["file"], "rb").read()


@attack
def write_a_file(bait: Bait) -> object:
    with open(bait["file"], "ab") as file:
        return file.write(b"x")


@attack
def make_a_file(bait: Bait) -> None:
    os.close(os.open(bait["directory"] + "/made", os.O_CREAT | os.O_WRONLY))


@attack
def look_whether_a_file_is_there(bait: Bait) -> object:
    return os.stat(bait["file"])


@attack
def list_a_directory(bait: Bait) -> object:
    return os.listdir(bait["directory"])


@attack
def delete_a_file(bait: Bait) -> None:
    os.unlink(bait["doomed"])


@attack
def open_shared_memory_by_name(bait: Bait) -> object:
    return open(bait["shared_memory"], "r+b").read()


@attack
def import_a_module_late(_bait: Bait) -> object:
    return importlib.import_module("wave")


@attack
def run_another_program(_bait: Bait) -> object:
    if os.fork() == 0:
        os.execv("/bin/true", ["true"])
    return os.wait()


@attack
def replace_itself_by_another_program(_bait: Bait) -> object:
    try:
        os.execv("/nowhere", ["nowhere"])
    except FileNotFoundError:
        return "it would have run"


# Other processes.


@attack
def open_the_memory_file_of_another_cell(bait: Bait) -> object:
    return open(f"/proc/{bait['victim']}/fd/{bait['victim_memory']}", "r+b").read(8)


@attack
def steal_a_descriptor_of_another_cell(bait: Bait) -> object:
    return system_call(438, bait["victim_pidfd"], bait["victim_memory"], 0)


@attack
def steal_a_descriptor_of_the_monitor(bait: Bait) -> object:
    return system_call(438, bait["monitor_pidfd"], 0, 0)


@attack
def read_the_memory_of_another_cell(bait: Bait) -> object:
    return _read_memory(bait["victim"], bait["victim_address"])


@attack
def read_the_memory_of_the_monitor(bait: Bait) -> object:
    return _read_memory(bait["monitor"], bait["monitor_address"])


def _read_memory(pid: int, address: int) -> bytes:
    buffer = ctypes.create_string_buffer(8)
    local, remote = (struct.pack("<QQ", where, 8) for where in (ctypes.addressof(buffer), address))
    system_call(310, pid, local, 1, remote, 1, 0)
    return buffer.raw


@attack
def open_the_memory_of_another_cell(bait: Bait) -> object:
    return open(f"/proc/{bait['victim']}/mem", "r+b", buffering=0)


@attack
def trace_another_cell(bait: Bait) -> object:
    return system_call(101, 0x4206, bait["victim"], 0, 0)  # PTRACE_SEIZE, which does not stop it


@attack
def trace_the_monitor(bait: Bait) -> object:
    return system_call(101, 0x4206, bait["monitor"], 0, 0)


@attack
def signal_another_cell(bait: Bait) -> None:
    os.kill(bait["victim"], signal.SIGURG)


@attack
def signal_the_monitor(bait: Bait) -> None:
    os.kill(bait["monitor"], signal.SIGURG)


@attack
def signal_the_zygote(_bait: Bait) -> None:
    os.kill(os.getppid(), signal.SIGURG)


@attack
def signal_through_a_pidfd(bait: Bait) -> None:
    signal.pidfd_send_signal(bait["victim_pidfd"], signal.SIGURG)


@attack
def slow_the_monitor_down(bait: Bait) -> None:
    os.setpriority(os.PRIO_PROCESS, bait["monitor"], 1)


@attack
def pin_the_monitor_elsewhere(bait: Bait) -> None:
    os.sched_setaffinity(bait["monitor"], {0})


# The network.


@attack
def connect_to_a_tcp_port(bait: Bait) -> object:
    return socket.create_connection(("127.0.0.1", bait["tcp"]), 1)


@attack
def listen_on_a_tcp_port(_bait: Bait) -> object:
    return socket.create_server(("127.0.0.1", 0))


@attack
def send_a_datagram(bait: Bait) -> object:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", bait["udp"]))


@attack
def connect_to_an_abstract_socket(bait: Bait) -> None:
    socket.socket(socket.AF_UNIX).connect("\0" + bait["abstract"])


@attack
def connect_to_a_socket_in_a_directory(bait: Bait) -> None:
    socket.socket(socket.AF_UNIX).connect(bait["socket"])


@attack
def make_a_pair_of_sockets(_bait: Bait) -> object:
    return socket.socketpair()


# More of itself, and of the host's memory.


@attack
def fork(_bait: Bait) -> object:
    if os.fork() == 0:
        os._exit(0)
    return os.wait()


@attack
def fork_by_a_raw_clone(_bait: Bait) -> object:
    if system_call(56, signal.SIGCHLD, 0, 0, 0, 0) == 0:
        os._exit(0)
    return os.wait()


@attack
def start_a_thread(_bait: Bait) -> None:
    threading.Thread(target=int).start()


@attack
def take_all_memory(_bait: Bait) -> object:
    taken = [bytearray(16 * MIB) for _ in range(80)]
    return len(taken)


@attack
def take_all_memory_by_mappings(_bait: Bait) -> object:
    taken = [mmap.mmap(-1, 16 * MIB) for _ in range(80)]
    return len(taken)


@attack
def take_memory_by_a_memory_file(_bait: Bait) -> object:
    return os.memfd_create("hog")


@attack
def take_all_descriptors(bait: Bait) -> object:
    return [os.dup(bait["memory"]) for _ in range(200)]


@attack
def write_far_into_a_file(bait: Bait) -> object:
    os.lseek(bait["memory"], 4 * MIB, os.SEEK_SET)
    return os.write(bait["memory"], b"x")


@attack
def shrink_a_shared_segment(bait: Bait) -> None:
    os.ftruncate(bait["memory"], 0)


@attack
def seal_a_shared_segment(bait: Bait) -> object:
    return fcntl.fcntl(bait["memory"], fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW)


@attack
def reopen_a_read_only_segment_for_writing(bait: Bait) -> object:
    return os.open(f"/proc/self/fd/{bait['readable']}", os.O_RDWR)


@attack
def lock_memory(_bait: Bait) -> None:
    if _libc.mlockall(1):
        raise OSError(ctypes.get_errno(), "mlockall")


@attack
def raise_a_limit(_bait: Bait) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    resource.setrlimit(resource.RLIMIT_NPROC, (hard, hard))


# New code and new powers.


@attack
def map_memory_to_run(_bait: Bait) -> object:
    return _map_to_run(mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)


@attack
def make_memory_run(_bait: Bait) -> None:
    where = _map_to_run(mmap.PROT_READ | mmap.PROT_WRITE)
    if _libc.mprotect(ctypes.c_void_p(where), 4096, mmap.PROT_READ | mmap.PROT_EXEC):
        raise OSError(ctypes.get_errno(), "mprotect")


def _map_to_run(protection: int) -> int:
    where = _libc.mmap(None, 4096, protection, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    if where == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "mmap")
    return int(where)


@attack
def become_root(_bait: Bait) -> None:
    os.setuid(0)
    os.setgid(0)


@attack
def type_on_the_terminal(_bait: Bait) -> None:
    try:
        fcntl.ioctl(0, 0x5412, b"x")  # TIOCSTI
    except OSError as error:
        if error.errno != errno.ENOTTY:
            raise  # else there just is no terminal
