"""The process `control`: what is decided about jobs, and done"""
