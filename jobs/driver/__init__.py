"""The process `driver`: one attempt at a job, the entrypoint of its Ray job"""
