/* What an image says of itself before it runs (cells/machine/notes.py): NOTES(FLAVOUR_XEN) in the start code of a flavour says
   for which flavour it is made, and that it wants its RAM at KERNEL_BASE. Assembly only. */
#ifndef WREN_NOTE_H
#define WREN_NOTE_H

#include "info_page.h"

#define NOTE_FLAVOUR 1
#define NOTE_VIRTUAL_BASE 2

    .macro note type, word
    .long 10, 4, \type /* bytes of the owner's name, of the content */
    .asciz "Cellvisor"
    .balign 4
    .long \word
    .endm

    .macro notes flavour
    .section .note.cellvisor, "a", %note
    note NOTE_FLAVOUR, \flavour
    note NOTE_VIRTUAL_BASE, 0xc0000000
    .endm

#define NOTES(flavour) notes flavour

#endif
