"""What a guest kernel of Xen has in its drivers directory: hypercalls, events, grants, the store, xenbus; for guests of ours."""
