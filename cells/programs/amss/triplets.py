"""Challenges that the network of the built-in topologies knows the answers to: (nonce, HMAC-SHA256 under the key of the
keystore there).

The key is in the topology, as the argument of the cell `keystore`; a test holds these equal to what it gives.
"""

from __future__ import annotations

from collections.abc import Sequence

from cells.programs.amss.network import Triplet

HEX: Sequence[tuple[str, str]] = (
    ("6bc484d290848fbd89704d3245197237", "1d3e8b7f3294eaea91970df978cb51e03e34b5ae4da825635f58309cdbe4268a"),
    ("ac32f650fe3528143e1d45d7f584ccb9", "78d340b6ec95f0bb9957fb1881c5c45630dde003d5427abf6478cd53988ad1f4"),
    ("a92a30e1bfcccd5c4abe986fda3f70ac", "5bdb0599a101e880b1c7924be5463743819cc25ddb20aa50e14fb40ff81de304"),
    ("ee808b6ce1360703f82e9dddb484a527", "32f2e28df6ea8a9a44c03eb964f88ea0a4ad83c2c73a6332937878a00c33b8f8"),
    ("d732644829dd36206f99e9728cc2a949", "45dc31b0d521b44c441e1d4633d652a87ef6489e305297d6abba51545728015f"),
)
TRIPLETS = tuple(Triplet(bytes.fromhex(nonce), bytes.fromhex(expected)) for nonce, expected in HEX)
