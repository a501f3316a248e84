"""Full-system guests: boot protocol, images, virtual devices."""
