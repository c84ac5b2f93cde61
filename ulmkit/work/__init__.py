"""Who computes: this machine's cores, with what kills a worker set aside."""
