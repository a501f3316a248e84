"""A BREW-like personality: applets with class ids and event handlers, behind interfaces of vtables and reference counts."""
