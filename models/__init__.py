"""A registered version: its files, its signature, and what computes its outputs"""
