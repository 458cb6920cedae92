"""What computes the outputs of a version, and on what hardware"""
