"""The process `worker`: one rank of an attempt, around the code of a person"""
