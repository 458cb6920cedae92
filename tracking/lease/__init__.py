"""The lease on a cluster: which of several controls acts"""
