"""The words of the `cellvisor` command: options and help texts, by groups of commands."""
