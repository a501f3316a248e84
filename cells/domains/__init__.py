"""Driver domains: cells that own a physical device and serve it to others. One module per class, `main(port)`."""
