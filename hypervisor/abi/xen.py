"""The Xen interface, version 4.17 on 32-bit ARM: numbers, layouts and errors, as unmodified kernels use them.

```python
port = ALLOC_UNBOUND.unpack(answer)[2]          # after event_channel_op(EvtchnOp.ALLOC_UNBOUND, address)
```

On ARM `xen_ulong_t`, frame numbers and guest handles (pointers) are 64 bits wide in every structure, so that a 32-bit guest
sees the same layouts as a 64-bit one. All is little endian. Sources: the public headers of Xen,
`public/{xen,event_channel,grant_table,memory,sched,vcpu,version,features}.h`, `public/hvm/params.h`,
`public/io/{xenbus,xs_wire}.h` and `public/arch-arm.h`; facts only.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from struct import Struct

from hypervisor.abi.hypercalls import XEN_CALLS
from hypervisor.abi.memory import PAGE

DOMID_SELF = 0x7FF0
"""Stands for the caller."""
DOMID_FIRST_RESERVED = 0x7FF0

VERSION = (4, 17)
EXTRA_VERSION = b".0"


class Call(IntEnum):
    """Hypercalls by family; a guest of ours calls `XEN_CALLS` + the real number, in r12 of an unmodified kernel."""

    MEMORY = XEN_CALLS + 12
    VERSION = XEN_CALLS + 17
    CONSOLE_IO = XEN_CALLS + 18
    GRANT_TABLE = XEN_CALLS + 20
    VM_ASSIST = XEN_CALLS + 21
    VCPU = XEN_CALLS + 24
    SCHED = XEN_CALLS + 29
    EVENT_CHANNEL = XEN_CALLS + 32
    HVM = XEN_CALLS + 34


class Errno(IntEnum):
    """Errors of hypercalls (returned negative) and of the store (by name)."""

    EPERM = 1
    ENOENT = 2
    ESRCH = 3
    EIO = 5
    E2BIG = 7
    EAGAIN = 11
    ENOMEM = 12
    EACCES = 13
    EFAULT = 14
    EBUSY = 16
    EEXIST = 17
    ENODEV = 19
    EINVAL = 22
    ENOSPC = 28
    ETIME = 62
    EISCONN = 106
    ENOSYS = 38
    ENOTEMPTY = 39


# ---- shared_info and vcpu_info: pages of the guest's own memory, filled in place

PORTS = 1024
"""Ports of a domain here; the 2-level scheme of 64-bit words could carry 4096."""
WORD_BITS = 64

VCPU_INFO = Struct("<BB6xQ32x")
"""upcall pending, upcall mask, pending selector (a bit per word of pending bits); the rest is of no use on ARM. 48 bytes."""
UPCALL_PENDING, UPCALL_MASK, PENDING_SEL = 0, 1, 8
"""Offsets in vcpu_info."""
EVTCHN_PENDING, EVTCHN_MASK, WALLCLOCK = 48, 560, 1072
"""Offsets in shared_info, behind the one vcpu_info of ARM: 64 words each, then the wall clock."""
WALL = Struct("<IIII")
"""version, seconds (low), nanoseconds, seconds (high)."""
FULL_SELECTOR = (1 << 64) - 1

RUNSTATE = Struct("<I4xQ4Q")
"""state, since when, times in each state (ns)."""


# ---- event channels


class EvtchnOp(IntEnum):
    """Operations of event_channel_op."""

    BIND_INTERDOMAIN = 0
    BIND_VIRQ = 1
    BIND_PIRQ = 2
    CLOSE = 3
    SEND = 4
    STATUS = 5
    ALLOC_UNBOUND = 6
    BIND_IPI = 7
    BIND_VCPU = 8
    UNMASK = 9
    RESET = 10
    INIT_CONTROL = 11


class PortState(IntEnum):
    """States of a port, as `status` tells them."""

    CLOSED = 0
    UNBOUND = 1
    INTERDOMAIN = 2
    PIRQ = 3
    VIRQ = 4
    IPI = 5


class Virq(IntEnum):
    """Virtual interrupts; the global ones are Dom0's."""

    TIMER = 0
    DEBUG = 1
    CONSOLE = 2
    DOM_EXC = 3


GLOBAL_VIRQS = frozenset({Virq.CONSOLE, Virq.DOM_EXC})
VIRQS = 24

BIND_INTERDOMAIN = Struct("<H2xII")
"""remote domain, remote port; out: local port."""
BIND_VIRQ = Struct("<III")
"""virq, vcpu; out: port."""
BIND_IPI = Struct("<II")
"""vcpu; out: port."""
BIND_VCPU = Struct("<II")
"""port, vcpu."""
PORT = Struct("<I")
"""close, send, unmask: port."""
STATUS = Struct("<H2xIIIH2xI")
"""domain, port; out: state, vcpu, remote domain (or virq), remote port."""
STATUS_VIRQ = Struct("<H2xIIII4x")
ALLOC_UNBOUND = Struct("<HHI")
"""domain, remote domain; out: port."""
RESET = Struct("<H")


# ---- grant tables


class GrantOp(IntEnum):
    """Operations of grant_table_op; each takes an array of structures."""

    MAP = 0
    UNMAP = 1
    SETUP_TABLE = 2
    TRANSFER = 4
    COPY = 5
    QUERY_SIZE = 6
    SET_VERSION = 8
    GET_VERSION = 10


class Gtf(IntFlag):
    """Flags of a grant entry of version 1."""

    INVALID = 0
    PERMIT_ACCESS = 1
    ACCEPT_TRANSFER = 2
    TYPE_MASK = 3
    READONLY = 4
    READING = 8
    WRITING = 16
    TRANSFER_COMMITTED = 4
    TRANSFER_COMPLETED = 8


class MapFlag(IntFlag):
    """Flags of map_grant_ref."""

    DEVICE_MAP = 1
    HOST_MAP = 2
    READONLY = 4
    APPLICATION_MAP = 8
    CONTAINS_PTE = 16


class CopyFlag(IntFlag):
    """Flags of copy: which end is a grant reference and not a frame of the caller."""

    SOURCE_REF = 1
    DEST_REF = 2


class GrantStatus(IntEnum):
    """What an operation of grant_table_op says in its structure."""

    OKAY = 0
    GENERAL_ERROR = -1
    BAD_DOMAIN = -2
    BAD_GNTREF = -3
    BAD_HANDLE = -4
    BAD_VIRT_ADDR = -5
    BAD_DEV_ADDR = -6
    NO_DEVICE_SPACE = -7
    PERMISSION_DENIED = -8
    BAD_PAGE = -9
    BAD_COPY_ARG = -10
    ADDRESS_TOO_BIG = -11
    EAGAIN = -12
    NO_SPACE = -13


GRANT_ENTRY = Struct("<HHI")
"""flags, domain that may use it, frame of the granter."""
GRANTS_PER_FRAME = PAGE // GRANT_ENTRY.size
GRANT_FRAMES = 16
"""Grant frames that a domain may have here: 8192 references."""
RESERVED_GRANTS = 8
"""References 0 (console) and 1 (store) are the domain builder's; guests begin behind these."""

MAP_GRANT = Struct("<QIIHhIQ")
"""host address, flags, reference, granter; out: status, handle, bus address."""
UNMAP_GRANT = Struct("<QQIh2x")
"""host address, bus address, handle; out: status."""
SETUP_TABLE = Struct("<H2xIh6xQ")
"""domain, frames; out: status; frame list (pointer)."""
QUERY_SIZE = Struct("<H2xIIh2x")
"""domain; out: frames now, at most, status."""
TRANSFER = Struct("<QH2xIh6x")
"""frame, domain, reference; out: status."""
COPY = Struct("<QHH4xQHH4xHHh2x")
"""source (reference or frame), domain, offset; destination the same; length, flags; out: status."""
SET_VERSION = Struct("<I")
GET_VERSION = Struct("<H2xI")


# ---- memory, parameters, vCPUs, scheduling, version


class MemoryOp(IntEnum):
    """Operations of memory_op."""

    INCREASE_RESERVATION = 0
    DECREASE_RESERVATION = 1
    CURRENT_RESERVATION = 3
    MAXIMUM_RESERVATION = 4
    POPULATE_PHYSMAP = 6
    ADD_TO_PHYSMAP = 7
    MEMORY_MAP = 9
    MAXIMUM_GPFN = 14
    REMOVE_FROM_PHYSMAP = 15
    ADD_TO_PHYSMAP_BATCH = 23


MEMOP_START, MEMOP_MASK = 6, 0x3F
"""The upper bits of the operation: the extent at which a call that was cut short goes on."""


class MapSpace(IntEnum):
    """What add_to_physmap makes appear."""

    SHARED_INFO = 0
    GRANT_TABLE = 1
    GMFN_FOREIGN = 4


ADD_TO_PHYSMAP = Struct("<HHIQQ")
"""domain, size, space, index, guest frame."""


ADD_TO_PHYSMAP_BATCH = Struct("<HHHHQQQ")
"""domain, space, how many, foreign domain; indices, guest frames, errors (pointers)."""
BATCH_ERROR = Struct("<i")
REMOVE_FROM_PHYSMAP = Struct("<H6xQ")
"""domain, guest frame."""
RESERVATION = Struct("<QQIIH6x")
"""frames (pointer), extents, order of an extent, flags, domain."""
PFN = Struct("<Q")


class HvmOp(IntEnum):
    """Operations of hvm_op."""

    SET_PARAM = 0
    GET_PARAM = 1


class Param(IntEnum):
    """Parameters of a domain."""

    CALLBACK_IRQ = 0
    STORE_PFN = 1
    STORE_EVTCHN = 2
    CONSOLE_PFN = 17
    CONSOLE_EVTCHN = 18


HVM_PARAM = Struct("<H2xIQ")
"""domain, parameter; in or out: value."""


class VcpuOp(IntEnum):
    """Operations of vcpu_op."""

    IS_UP = 3
    GET_RUNSTATE_INFO = 4
    REGISTER_RUNSTATE = 5
    STOP_PERIODIC_TIMER = 7
    SET_SINGLESHOT_TIMER = 8
    STOP_SINGLESHOT_TIMER = 9
    REGISTER_VCPU_INFO = 10


SINGLESHOT = Struct("<QI4x")
"""system time in ns at which VIRQ_TIMER is due, flags."""
SINGLESHOT_FUTURE = 1
"""Flag: a time that has passed already is refused."""
REGISTER_VCPU_INFO = Struct("<QI4x")
"""frame, offset in it."""
POINTER = Struct("<Q")


class SchedOp(IntEnum):
    """Operations of sched_op."""

    YIELD = 0
    BLOCK = 1
    SHUTDOWN = 2
    POLL = 3


class ShutdownReason(IntEnum):
    """Why a domain shuts down."""

    POWEROFF = 0
    REBOOT = 1
    SUSPEND = 2
    CRASH = 3
    WATCHDOG = 4


SHUTDOWN = Struct("<I")
POLL = Struct("<QI4xQ")
"""ports (pointer), how many, timeout (system time in ns, 0 for none)."""


class VersionOp(IntEnum):
    """Operations of xen_version."""

    VERSION = 0
    EXTRAVERSION = 1
    COMPILE_INFO = 2
    CAPABILITIES = 3
    CHANGESET = 4
    PLATFORM_PARAMETERS = 5
    GET_FEATURES = 6
    PAGESIZE = 7
    GUEST_HANDLE = 8
    COMMANDLINE = 9


FEATURE_INFO = Struct("<II")
"""index of the 32-bit word of features; out: the word."""


class Feature(IntEnum):
    """Bits of the first word of features."""

    WRITABLE_PAGE_TABLES = 0
    AUTO_TRANSLATED_PHYSMAP = 2
    DOM0 = 11
    MEMORY_OP_VNODE_SUPPORTED = 13


class ConsoleOp(IntEnum):
    """Operations of console_io."""

    WRITE = 0
    READ = 1


RUNSTATE_UPDATE_FLAG = 5
"""The one vm_assist that ARM knows."""


# ---- the console's ring: a page of the guest's, input at 0, output behind (public/io/console.h)

CONSOLE_IN, CONSOLE_OUT, CONSOLE_OUT_AT = 1024, 2048, 1024
"""Bytes of both rings, and where the second begins."""
CONSOLE_IN_CONS, CONSOLE_IN_PROD, CONSOLE_OUT_CONS, CONSOLE_OUT_PROD = 3072, 3076, 3080, 3084
"""Offsets of the free-running indices in the page."""


# ---- the store: its ring and its messages


class StoreOp(IntEnum):
    """Types of messages."""

    CONTROL = 0
    DIRECTORY = 1
    READ = 2
    GET_PERMS = 3
    WATCH = 4
    UNWATCH = 5
    TRANSACTION_START = 6
    TRANSACTION_END = 7
    INTRODUCE = 8
    RELEASE = 9
    GET_DOMAIN_PATH = 10
    WRITE = 11
    MKDIR = 12
    RM = 13
    SET_PERMS = 14
    WATCH_EVENT = 15
    ERROR = 16
    IS_DOMAIN_INTRODUCED = 17
    RESUME = 18
    SET_TARGET = 19
    RESET_WATCHES = 21
    DIRECTORY_PART = 22


STORE_MESSAGE = Struct("<IIII")
"""type, request id, transaction, length of what follows."""
STORE_RING = 1024
"""Bytes of each of the two rings of the store's page: requests at 0, responses behind."""
REQ_CONS, REQ_PROD, RSP_CONS, RSP_PROD = 2048, 2052, 2056, 2060
"""Offsets of the free-running indices in the page."""
RING_FEATURES, RING_CONNECTION, RING_ERROR = 2064, 2068, 2072
RING_ERROR_INDEX, RING_ERROR_PROTOCOL = 2, 3
"""Why the store has given up a ring."""
STORE_PAYLOAD = 4096
"""Bytes behind a message's header at most."""
ABSOLUTE_PATH, RELATIVE_PATH = 3072, 2048
"""Bytes of a path at most."""


class XenbusState(IntEnum):
    """What each end of a split driver says of itself in its node `state`."""

    UNKNOWN = 0
    INITIALISING = 1
    INIT_WAIT = 2
    INITIALISED = 3
    CONNECTED = 4
    CLOSING = 5
    CLOSED = 6
