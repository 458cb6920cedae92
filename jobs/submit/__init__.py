"""The process of whoever submits: an order for a job is checked, packed and written down"""
