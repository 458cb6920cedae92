"""The servers of Ray Serve, in its proxies and its replicas: what stands in them before a service"""
