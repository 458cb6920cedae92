"""Work that ends: a spec becomes a run of a training function on the cluster."""
