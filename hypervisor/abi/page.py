"""Layout of the shared page of a vCPU: doorbell words, the resume record with its events, the exit record with its payloads.

```
0x0000  doorbell (cells/engines/native/doorbell.h)
0x0040  resume: RESUME, then packed events
0x1000  exit: EXIT, then console output, then data
0x2000  end
```
"""

from __future__ import annotations

from hypervisor.abi.records import EXIT, RESUME

PAGE_SIZE = 0x2000
RESUME_AT = 0x40
EVENTS_AT = RESUME_AT + RESUME.size
EXIT_AT = 0x1000
PAYLOAD_AT = EXIT_AT + EXIT.size
