"""The process `replica`: one of those that answer the requests of a service"""
