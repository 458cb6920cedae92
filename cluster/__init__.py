"""Where work runs: settings, resources, the local stack, capacity, and Ray over HTTP."""
