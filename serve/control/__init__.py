"""The process `control`: what is decided about services, and done"""
