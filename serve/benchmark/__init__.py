"""The process of a prepare job: it races the engines of a version on the hardware of its replicas"""
