"""Private names of other libraries: a file a library, and nowhere else.

Each file says with which versions it was tested, what a person gains by each name, and what is done without
where the library has it no more. `tests/compat` holds each against the version that is installed.
"""
